// Only for the CRDs that come with the Gateway API, to check the chart's HTTPRoute against.
module wherry.dev/tests/gatewayapi

go 1.26.0

require sigs.k8s.io/gateway-api v1.4.0
