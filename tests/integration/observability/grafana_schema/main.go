// Reads a dashboard and says what Grafana's own schema does not know or does not allow in it:
// fields of the dashboard, of each panel's options and field settings by its type, of each query.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var found dashboard.Dashboard
	refused := false
	for _, err := range []error{found.UnmarshalJSONStrict(text), found.Validate()} {
		// The library also returns errors that list nothing.
		if err != nil && err.Error() != "" {
			fmt.Fprintln(os.Stderr, err)
			refused = true
		}
	}
	if refused {
		os.Exit(1)
	}
	fmt.Println(len(found.Panels), "panels and rows")
}
