// Command probe is the client and the server of the traffic tests. It runs in the
// network namespace of a pod or of a host outside, is built without cgo, and so
// resolves names as /etc/resolv.conf there says.
//
//	probe serve tcp|http ADDRESS TEXT   answer every connection and each line on it, or
//	                                    every HTTP request, to ADDRESS (host:port) with
//	                                    the line TEXT, until the client closes
//	probe resolve NAME                  print what NAME resolves to, as Resolution
//	probe srv NAME                      print the SRV records of NAME, as Record list
//	probe connect COUNT ADDRESS         open COUNT connections one after the other
//	                                    and print what they answered, as Answers
//	probe await ADDRESS                 open connections until one comes off, and print
//	                                    when that one began
//	probe get URL                       print the body of an HTTP response
//	probe serve-tls ADDRESS TEXT CERT KEY
//	                                    answer every HTTPS request, with the certificate
//	                                    and the key of two PEM files
//	probe requests COUNT HOST URL       send COUNT requests with a Host header, or with 0
//	                                    those of four clients until standard input ends,
//	                                    and print what they answered, as Answers
//	probe load [FLAGS] ADDRESS          open connections to a probe serve all the time,
//	                                    until standard input ends, and print what became
//	                                    of each, as a Line each
//
// It prints JSON on standard output, and errors on standard error with exit code 1.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"external-services/tests/internal/traffic"
)

// dialTimeout is long enough for a SYN that is lost once, and retransmitted after
// a second, not to count as a failure.
const dialTimeout = 5 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	const any = -1
	commands := map[string]struct {
		arguments int
		run       func(args []string) error
	}{
		"serve":     {3, func(args []string) error { return serve(args[0], args[1], args[2]) }},
		"resolve":   {1, func(args []string) error { return resolve(args[0]) }},
		"srv":       {1, func(args []string) error { return srv(args[0]) }},
		"connect":   {2, func(args []string) error { return connect(args[0], args[1]) }},
		"await":     {1, func(args []string) error { return await(args[0]) }},
		"get":       {1, func(args []string) error { return get(args[0]) }},
		"serve-tls": {4, func(args []string) error { return serveTLS(args[0], args[1], args[2], args[3]) }},
		"requests":  {3, func(args []string) error { return sendRequests(args[0], args[1], args[2]) }},
		"load":      {any, makeLoad},
	}
	if len(args) == 0 {
		return errors.New("usage: probe serve tcp|http ADDRESS TEXT | resolve NAME | srv NAME | connect COUNT ADDRESS | await ADDRESS | get URL | serve-tls ADDRESS TEXT CERT KEY | requests COUNT HOST URL | load [FLAGS] ADDRESS")
	}
	command, ok := commands[args[0]]
	if !ok || command.arguments != any && len(args)-1 != command.arguments {
		return fmt.Errorf("%q is no command, or takes another number of arguments", args[0])
	}
	return command.run(args[1:])
}

func serve(protocol, address, text string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println(traffic.Listening)
	switch protocol {
	case "http":
		return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, text) // a client that is gone is not the server's error
		}))
	case "tcp":
		for {
			connection, err := listener.Accept()
			if err != nil {
				return err
			}
			go converse(connection, text)
		}
	default:
		return fmt.Errorf("%q is no protocol: write tcp or http", protocol)
	}
}

// converse says a line at once and in answer to each line, until the client closes: it
// is the client that reports what goes wrong.
func converse(connection net.Conn, text string) {
	defer connection.Close()
	lines := bufio.NewScanner(connection)
	for {
		if _, err := io.WriteString(connection, text+"\n"); err != nil {
			return
		}
		if !lines.Scan() {
			return
		}
	}
}

func resolve(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	cname, err := net.DefaultResolver.LookupCNAME(ctx, name)
	if err != nil {
		return err
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return err
	}
	slices.Sort(addresses)
	return json.NewEncoder(os.Stdout).Encode(traffic.Resolution{CNAME: cname, Addresses: addresses})
}

func srv(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", name)
	if err != nil {
		return err
	}
	list := []traffic.Record{}
	for _, record := range records {
		list = append(list, traffic.Record{Target: record.Target, Port: record.Port})
	}
	slices.SortFunc(list, func(a, b traffic.Record) int { return strings.Compare(a.Target, b.Target) })
	return json.NewEncoder(os.Stdout).Encode(list)
}

func connect(count, address string) error {
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a number of connections", count)
	}
	answers := traffic.Answers{Texts: map[string]int{}}
	for range n {
		start := time.Now()
		text, err := read(address, dialTimeout)
		if err != nil {
			answers.Failures = append(answers.Failures, err.Error())
			continue
		}
		answers.Texts[text]++
		answers.Slowest = max(answers.Slowest, time.Since(start))
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// read returns what the server says first, and what it says at once: a MySQL server
// waits for the client after that. The end of a line is not part of it.
func read(address string, timeout time.Duration) (string, error) {
	connection, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(timeout))
	text := make([]byte, 1<<12)
	n, err := connection.Read(text)
	return strings.TrimSuffix(string(text[:n]), "\n"), err
}

// The rhythm of await. What leads nowhere yet may not answer at all, so the next attempt
// does not wait for the one before.
const (
	attemptInterval = 50 * time.Millisecond
	attemptTimeout  = 500 * time.Millisecond
	awaitTimeout    = 2 * time.Minute
)

// await opens a connection at each interval until one comes off.
func await(address string) error {
	type attempt struct {
		began time.Time
		err   error
	}
	attempts, places := make(chan attempt), make(chan struct{}, mayAsk)
	ended, ticker := time.After(awaitTimeout), time.NewTicker(attemptInterval)
	defer ticker.Stop()
	last := errors.New("no attempt has ended")
	for {
		select {
		case <-ticker.C:
			select {
			case places <- struct{}{}:
				go func() {
					began := time.Now()
					_, err := read(address, attemptTimeout)
					<-places
					attempts <- attempt{began, err}
				}()
			default: // enough are under way
			}
		case a := <-attempts:
			if a.err == nil {
				return json.NewEncoder(os.Stdout).Encode(a.began)
			}
			last = a.err
		case <-ended:
			return fmt.Errorf("no connection to %s came off within %s: %w", address, awaitTimeout, last)
		}
	}
}

func get(url string) error {
	client := http.Client{Timeout: dialTimeout}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(os.Stdout, http.MaxBytesReader(nil, response.Body, 8<<20)) // an error for a longer one
	return err
}
