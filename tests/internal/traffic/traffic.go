// Package traffic has the types that the program probe prints and its callers read,
// and runs the probe's load.
package traffic

import "time"

// Listening is the line that probe serve prints when it takes connections.
const Listening = "listening"

// Resolution is what a name resolves to.
type Resolution struct {
	// CNAME is the last name of the chain, with a trailing dot; the name itself
	// where it is no alias.
	CNAME string `json:"cname"`

	// Addresses are the IP addresses, sorted.
	Addresses []string `json:"addresses"`
}

// Record is an SRV record.
type Record struct {
	// Target is the name of a host, with a trailing dot.
	Target string `json:"target"`
	Port   uint16 `json:"port"`
}

// Answers are what a number of connections answered.
type Answers struct {
	// Texts counts the connections for each answer.
	Texts map[string]int `json:"texts"`

	// Failures has the error of each connection that did not answer.
	Failures []string `json:"failures,omitempty"`

	// Slowest is the time of the slowest connection that answered, from the dial
	// to the last byte, in nanoseconds.
	Slowest time.Duration `json:"slowest"`
}
