package embedded

import (
	"context"

	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

// Load starts a load from a pod, which runs until it is stopped or comes to its bounds.
// It also ends when ctx is done, such as that of a test, when this process ends, and
// when the cluster is stopped.
func (c *Cluster) Load(ctx context.Context, pod string, options traffic.Options) (*traffic.Load, error) {
	probe, err := testenv.Binary("probe")
	if err != nil {
		return nil, err
	}
	return traffic.Start(c.Command(ctx, pod, probe), options)
}
