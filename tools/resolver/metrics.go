package resolver

import (
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// metrics are counted per entry, and only the health checks per address.
type metrics struct {
	lookups       *prometheus.CounterVec // family, result: ok or why the question failed
	lookupSeconds prometheus.Histogram   // of one question
	lastSuccess   *prometheus.GaugeVec   // namespace, service, family; seconds since 1970
	addresses     *prometheus.GaugeVec   // namespace, service, family, state
	changes       prometheus.Counter     // of answers
	changeToWrite prometheus.Histogram   // from an answer with other addresses to its write
	rejected      *prometheus.CounterVec // reason
	sliceWrites   *prometheus.CounterVec // result
	watchErrors   *prometheus.CounterVec // namespace
	health        *prometheus.GaugeVec   // namespace, service, address; 1 or 0
	configEntries prometheus.Gauge
	configValid   prometheus.Gauge // 0 if the ConfigMap cannot be read, and the one before is in use
	leader        prometheus.Gauge
}

const prefix = "extsvc_resolver_"

var entryLabels = []string{"namespace", "service"}

func newMetrics(registry prometheus.Registerer, version string) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(registry, prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels))
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return register(registry, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels))
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return register(registry, prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}))
	}
	gauge("build_info", "The version that runs; always 1.", "version", "goversion").
		WithLabelValues(version, goVersion()).Set(1)
	return &metrics{
		lookups:       counter("lookups_total", "Questions to DNS, by family and result.", "family", "result"),
		lookupSeconds: histogram("lookup_seconds", "Time that a question to DNS took.", prometheus.ExponentialBuckets(0.001, 4, 8)),
		lastSuccess: gauge("last_success_timestamp_seconds", "Time of the last good answer to the names of an entry, of the name that is longest without one.",
			append(entryLabels, "family")...),
		addresses:     gauge("addresses", "Addresses that were written, by state: ready, notReady or draining.", append(entryLabels, "family", "state")...),
		changes:       counter("changes_total", "Answers with other addresses than the one before.").WithLabelValues(),
		changeToWrite: histogram("change_to_write_seconds", "Time from such an answer to the write.", prometheus.ExponentialBuckets(0.005, 4, 8)),
		rejected:      counter("rejected_addresses_total", "Addresses of answers that are never written, by reason.", "reason"),
		sliceWrites:   counter("slice_writes_total", "Writes of EndpointSlices, by result.", "result"),
		watchErrors:   counter("watch_errors_total", "Lists and watches that failed, by namespace.", "namespace"),
		health:        gauge("health", "Whether an address answers its health check.", append(entryLabels, "address")...),
		configEntries: gauge("config_entries", "Entries in the configuration.").WithLabelValues(),
		configValid:   gauge("config_valid", "Whether the configuration could be read; if not, the one before is in use.").WithLabelValues(),
		leader:        gauge("leader", "Whether this replica writes.").WithLabelValues(),
	}
}

func register[C prometheus.Collector](registry prometheus.Registerer, c C) C {
	registry.MustRegister(c)
	return c
}

func goVersion() string {
	info, _ := debug.ReadBuildInfo()
	return info.GoVersion
}

func (m *metrics) asked(o outcome, took time.Duration) {
	result := "ok"
	if o.failure != nil {
		result = o.failure.reason
	}
	m.lookups.WithLabelValues(string(o.family), result).Inc()
	m.lookupSeconds.Observe(took.Seconds())
	for _, reason := range o.refused {
		m.rejected.WithLabelValues(reason).Inc()
	}
	if o.changed {
		m.changes.Inc()
	}
}

// written counts the addresses of an entry.
func (m *metrics) written(key types.NamespacedName, families []corev1.IPFamily, list []endpoint) {
	count := map[corev1.IPFamily]map[string]int{}
	for _, family := range families {
		count[family] = map[string]int{"ready": 0, "notReady": 0, "draining": 0}
	}
	for _, e := range list {
		if count[e.origin.family] != nil {
			count[e.origin.family][e.state()]++
		}
	}
	m.addresses.DeletePartialMatch(labelsOf(key))
	for family, states := range count {
		for state, n := range states {
			m.addresses.WithLabelValues(key.Namespace, key.Name, string(family), state).Set(float64(n))
		}
	}
}

func (m *metrics) forget(key types.NamespacedName) {
	for _, vec := range []*prometheus.GaugeVec{m.addresses, m.health, m.lastSuccess} {
		vec.DeletePartialMatch(labelsOf(key))
	}
}

func labelsOf(key types.NamespacedName) prometheus.Labels {
	return prometheus.Labels{"namespace": key.Namespace, "service": key.Name}
}

func (e endpoint) state() string {
	switch {
	case e.ready:
		return "ready"
	case e.draining:
		return "draining"
	}
	return "notReady"
}
