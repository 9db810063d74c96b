package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func parse(t *testing.T, cert []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(cert)
	if block == nil || len(rest) != 0 {
		t.Fatalf("not one PEM block: %s", cert)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertificates(t *testing.T) {
	now := time.Now()
	ca, err := NewAuthority("test-ca", now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewAuthority("test-ca", now)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, ca.Cert()))
	otherRoots := x509.NewCertPool()
	otherRoots.AddCert(parse(t, other.Cert()))

	server, err := ca.Server("server", []string{"kubernetes.default"}, []netip.Addr{
		netip.MustParseAddr("10.96.0.1"), netip.MustParseAddr("fd00:10:96::1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	cert := parse(t, server.Cert)
	for _, name := range []string{"kubernetes.default", "10.96.0.1", "fd00:10:96::1"} {
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("the server's certificate is not good for %s: %v", name, err)
		}
	}
	for _, name := range []string{"kubernetes.other", "10.96.0.2"} {
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err == nil {
			t.Errorf("the server's certificate is good for %s", name)
		}
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: otherRoots}); err == nil {
		t.Error("another authority of the same name vouches for the server")
	}
	clientUse := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: clientUse}); err == nil {
		t.Error("the server's certificate is good for a client")
	}

	client, err := ca.Client("somebody", "group-a", "group-b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(client.Cert, client.Key); err != nil {
		t.Errorf("certificate and key do not fit: %v", err)
	}
	cert = parse(t, client.Cert)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: clientUse}); err != nil {
		t.Error(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots}); err == nil {
		t.Error("the client's certificate is good for a server")
	}
	if cert.Subject.CommonName != "somebody" || !slices.Equal(cert.Subject.Organization, []string{"group-a", "group-b"}) {
		t.Errorf("the client is %s", cert.Subject)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: clientUse, CurrentTime: now.Add(lifetime + time.Minute)}); err == nil {
		t.Error("the certificate does not expire")
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: clientUse, CurrentTime: now.Add(-time.Minute)}); err != nil {
		t.Errorf("a clock that is a minute behind refuses the certificate: %v", err)
	}
}

func TestSigningKey(t *testing.T) {
	private, public, err := SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(private)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	block, _ = pem.Decode(public)
	got, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(got) {
		t.Error("the public key is not that of the private one")
	}
}
