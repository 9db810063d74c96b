package bench

import (
	"math"
	"strings"
	"testing"
)

func TestSteepest(t *testing.T) {
	rows := func(series string, power float64) []Row {
		var rows []Row
		for _, size := range Sizes {
			rows = append(rows, Row{Series: series, Size: size, Values: map[string]float64{"processor": math.Pow(float64(size), power)}})
		}
		return rows
	}
	for power, want := range map[float64]string{2: "the other", 0.5: "linear"} {
		results := Results{"tools": {Rows: append(rows("linear", 1), rows("the other", power)...)}}
		got, series := results.steepest()
		if math.Abs(got-max(power, 1)) > 0.001 || !strings.Contains(series, want+", from 1,000 to 10,000") {
			t.Errorf("beside a linear series, one of the power %g: %g, %s", power, got, series)
		}
	}
	// what the machine and others do is not ours
	if got, series := (Results{"release": {Rows: rows("install, kubectl", 2)}}).steepest(); got != 0 {
		t.Errorf("kubectl counts: %g, %s", got, series)
	}
}

func TestQuantile(t *testing.T) {
	values := []float64{4, 1, 3, 2}
	for q, want := range map[float64]float64{0: 1, 0.5: 2.5, 1: 4} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %g is %g, want %g", q, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{0: "0 s", 0.0002651: "265 µs", 0.0522: "52.2 ms", 0.25: "250 ms", 1.234: "1.23 s", 44.94: "44.9 s", 123.4: "123 s"} {
		if got := seconds(s); got != want {
			t.Errorf("seconds(%g) is %q, want %q", s, got, want)
		}
	}
}
