package bench

import (
	"context"
	"fmt"
	"slices"
)

// OneEntry are the numbers of addresses that one entry is measured with.
var OneEntry = []int{1_000, 10_000}

// template measures helm template: for each number of entries, and for one entry with
// many addresses.
func (r *Runner) template(ctx context.Context, rounds int) ([]Row, error) {
	var rows []Row
	measure := func(what, text string, size int) error {
		file, err := r.file("values.yaml", text)
		if err != nil {
			return err
		}
		some, err := r.compare(ctx, size, rounds, rendering("template", what, file)...)
		rows = append(rows, some...)
		return err
	}
	for _, size := range r.sizes(1, 10_000) {
		if err := measure("entries", Entries(size), size); err != nil {
			return nil, err
		}
	}
	for _, size := range OneEntry {
		if err := measure("addresses", Addresses(size), size); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// lint measures helm lint and extsvc lint, beside helm template.
func (r *Runner) lint(ctx context.Context, rounds int) ([]Row, error) {
	var rows []Row
	for _, size := range r.sizes(1, 10_000) {
		file, err := r.file("values.yaml", Entries(size))
		if err != nil {
			return nil, err
		}
		some, err := r.compare(ctx, size, rounds, slices.Concat(rendering("lint", "entries", file), []contender{
			{"extsvc lint", []string{"extsvc", "lint", "-f", file}},
			{"helm template, chart", []string{"helm", "template", "bench", Chart, "-f", file}},
		})...)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// rendering runs one command of helm on the three charts with so many entries, or addresses of
// one. The floor is the first.
func rendering(command, what, file string) []contender {
	var all []contender
	for _, chart := range []struct{ name, path string }{{"floor", Floor}, {"chart", Chart}, {"empty", Empty}} {
		args := []string{"helm", command, chart.path, "-f", file}
		if command == "template" {
			args = slices.Insert(args, 2, "bench")
		}
		series := fmt.Sprintf("helm %s, %s", command, chart.name)
		if what == "addresses" {
			series = fmt.Sprintf("helm %s, one entry, %s", command, chart.name)
		}
		all = append(all, contender{series, args})
	}
	return all
}
