// Command leat-platform is the services of Leat on Kubernetes, each a command and a Deployment. It's a program of its own so that command leat, which
// people run on their machines, carries no Kubernetes libraries: they would double its start and its size.
package main

import (
	"os"

	"github.com/openintegrationhub/leat/internal/program"
)

type cli struct {
	Operator  operatorCommand  `cmd:"" help:"Make of Flow resources what runs."`
	Scheduler schedulerCommand `cmd:"" help:"Send ticks to polling flows."`
	Router    routerCommand    `cmd:"" help:"Take HTTP requests for flows."`
	API       apiCommand       `cmd:"" name:"api" help:"Answer what components and people ask for over HTTP."`
	Install   installCommand   `cmd:"" help:"Make the accounts of a new platform. Its installation runs this, once."`
}

func main() {
	program.Program{
		Name:        "leat-platform",
		Description: "The services of Leat on Kubernetes. The platform's settings are environment variables; docs/guide/kubernetes.md lists them.",
		Commands:    new(cli),
	}.Main(os.Args[1:])
}
