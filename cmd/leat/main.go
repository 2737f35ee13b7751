// Command leat runs integration flows on one machine with nothing else installed (leat run), tries out what they are made of, and shows what
// they do, here and in a cluster. The services of a cluster are command leat-platform.
package main

import (
	"os"

	"github.com/alecthomas/kong"

	"github.com/openintegrationhub/leat/internal/program"
)

type cli struct {
	Run       runCommand       `cmd:"" help:"Run flows on this machine."`
	Validate  validateCommand  `cmd:"" help:"Check flow files and report every mistake."`
	Render    renderCommand    `cmd:"" help:"Print what would run and exist for a flow."`
	Get       getCommand       `cmd:"" help:"Show what runs in a cluster."`
	Send      sendCommand      `cmd:"" help:"Send a message into a running flow."`
	Errors    errorsCommand    `cmd:"" help:"List what has failed."`
	Replay    replayCommand    `cmd:"" help:"Send the message of an error to its step again."`
	Discard   discardCommand   `cmd:"" help:"Give up the message of an error."`
	Component componentCommand `cmd:"" help:"Run a built-in component as a step, configured by ELASTICIO_* variables."`
	Broker    brokerCommand    `cmd:"" help:"Run the embedded AMQP broker by itself, for tests."`
	JSONata   jsonataCommand   `cmd:"" name:"jsonata" help:"Evaluate a JSONata expression on a JSON document."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

func main() {
	name, args := commandLine(os.Args[0], os.Args[1:])
	program.Program{
		Name:        name,
		Description: "Integration flows: graphs of components glued by messages. `leat run example/flow.json` shows one at work.",
		Commands:    new(cli),
		Vars:        kong.Vars{"components": componentNames()},
	}.Main(args)
}
