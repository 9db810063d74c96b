// Package controlplane configures etcd, kube-apiserver and kube-controller-manager.
package controlplane

import (
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/state"
)

// The names of the components.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
)

// The sockets of etcd, in the cluster's folder, which only its owner can enter. They are relative to that folder, the
// working directory of every component, because the path of a socket must not be longer than about 100 characters.
const (
	clientSocket = "unix://etcd.sock"
	peerSocket   = "unix://etcd-peer.sock"
)

// issuer is the issuer of service account tokens, as kubeadm names it.
const issuer = "https://kubernetes.default.svc.cluster.local"

// EtcdArgs are the arguments of etcd. It listens on no network address.
func EtcdArgs() []string {
	return []string{
		"--name=" + Etcd,
		"--data-dir=etcd",
		"--listen-client-urls=" + clientSocket,
		"--advertise-client-urls=" + clientSocket,
		"--listen-peer-urls=" + peerSocket,
		"--initial-advertise-peer-urls=" + peerSocket,
		"--initial-cluster=" + Etcd + "=" + peerSocket,
		"--log-level=warn",
		// The data need not survive a crash of the machine.
		"--unsafe-no-fsync",
	}
}

// APIServerArgs are the arguments of kube-apiserver, which listens at the given address. With inCluster the address is
// one that pods reach, and the Service kubernetes in the namespace default leads there.
func APIServerArgs(dir state.Dir, listen netip.AddrPort, inCluster bool) []string {
	var services []string
	for _, cidr := range network.ServiceCIDRs {
		services = append(services, cidr.String())
	}
	args := []string{
		"--etcd-servers=" + clientSocket,
		"--bind-address=" + listen.Addr().String(),
		"--advertise-address=" + listen.Addr().String(),
		"--secure-port=" + strconv.Itoa(int(listen.Port())),
		"--tls-cert-file=" + filepath.Join(dir.PKI(), serverCert),
		"--tls-private-key-file=" + filepath.Join(dir.PKI(), serverKey),
		"--client-ca-file=" + filepath.Join(dir.PKI(), caCert),
		"--anonymous-auth=false",
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + filepath.Join(dir.PKI(), serviceAccountPublic),
		"--service-account-signing-key-file=" + filepath.Join(dir.PKI(), serviceAccountKey),
		"--service-cluster-ip-range=" + strings.Join(services, ","),
		"--profiling=false",
	}
	if !inCluster {
		args = append(args, "--endpoint-reconciler-type=none")
	}
	return args
}

// ControllerManagerArgs are the arguments of the controllers, see cmd/components, which listen nowhere.
func ControllerManagerArgs(dir state.Dir) []string {
	return []string{
		"--kubeconfig=" + dir.ComponentKubeconfig(ControllerManager),
		"--root-ca-file=" + filepath.Join(dir.PKI(), caCert),
	}
}
