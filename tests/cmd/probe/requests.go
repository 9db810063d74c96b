package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"external-services/tests/internal/traffic"
)

func serveTLS(address, text, cert, key string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println(traffic.Listening)
	return http.ServeTLS(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, text) // a client that is gone is not the server's error
	}), cert, key)
}

const (
	requestClients  = 4
	requestInterval = 10 * time.Millisecond
	maxRequests     = 50_000 // of a client
)

// sendRequests sends requests to a URL with a Host header: so many, or with 0 until standard input ends.
func sendRequests(count, host, url string) error {
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a number of requests", count)
	}
	clients, stop := 1, make(chan struct{})
	if n == 0 {
		clients, n = requestClients, maxRequests
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // its end is what counts
			close(stop)
		}()
	}
	var mutex sync.Mutex
	answers := traffic.Answers{Texts: map[string]int{}}
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			client := &http.Client{Timeout: dialTimeout, Transport: &http.Transport{}}
			for range n {
				select {
				case <-stop:
					return
				case <-time.After(requestInterval):
				}
				start := time.Now()
				text, err := request(client, host, url)
				mutex.Lock()
				if err != nil {
					answers.Failures = append(answers.Failures, err.Error())
				} else {
					answers.Texts[text]++
				}
				answers.Slowest = max(answers.Slowest, time.Since(start))
				mutex.Unlock()
			}
		})
	}
	group.Wait()
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// request returns the body of the response. Another status than 200 is an error.
func request(client *http.Client, host, url string) (string, error) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	r.Host = host
	response, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}
