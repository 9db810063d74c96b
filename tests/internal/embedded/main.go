package embedded

import (
	"context"

	"external-services/tests/internal/environment"
)

// Main is environment.Main for tests that only use embedded clusters.
func Main(m interface{ Run() int }, start func(ctx context.Context) ([]*Cluster, error)) {
	environment.Main(m, func(ctx context.Context) ([]environment.Started, error) {
		clusters, err := start(ctx)
		var started []environment.Started
		for _, c := range clusters {
			started = append(started, c)
		}
		return started, err
	})
}
