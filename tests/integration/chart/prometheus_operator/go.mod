// Only for the CRDs that come with the Prometheus operator, to check the chart's monitors against.
module wherry.dev/tests/prometheusoperator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
