// Only for Grafana's own schema of dashboards, to check ours against.
module wherry.dev/tests/grafanaschema

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.18
