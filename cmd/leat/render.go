package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/openintegrationhub/leat/components"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/program"
	"github.com/openintegrationhub/leat/internal/topology"
)

type renderCommand struct {
	Files []string `arg:"" name:"file" help:"Flow files, or folders with flow files."`
	JSON  bool     `help:"Print the plan as JSON."`
}

func (c *renderCommand) Run(std program.Streams) error {
	flows, err := readFlows(c.Files)
	if err != nil {
		return err
	}
	for _, f := range flows {
		p := renderPlan(f)
		if !c.JSON {
			printPlan(std.Out, p)
			continue
		}
		encoder := json.NewEncoder(std.Out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(asJSON(p)); err != nil {
			return err
		}
	}
	return nil
}

// renderPlan plans f for a platform whose addresses and secrets are left open. Secrets of the flow's author are hidden too.
func renderPlan(f *flow.Flow) plan.Plan {
	secrets := plan.Secrets{CryptoPassword: hidden, CryptoIV: hidden, Steps: map[string]plan.StepSecrets{}}
	for _, n := range f.Nodes {
		secrets.Steps[n.ID] = plan.StepSecrets{BrokerPassword: hidden, APIKey: hidden}
	}
	p := plan.For(f, plan.Seen{}, secrets, plan.Platform{
		Builtin: func(image string) string {
			c, _ := components.Find(image)
			return c.Name
		},
		APIURI: "http://api-service.platform",
		Broker: url.URL{Scheme: "amqp", Host: "rabbitmq.platform:5672"},
	})
	for _, s := range p.Steps {
		for i, v := range s.Variables {
			if v.Secret {
				s.Variables[i].Value = hidden
			}
		}
	}
	return p
}

const hidden = "***"

// rendered is a plan for other programs: what it means for a flow of which nothing exists yet.
type rendered struct {
	Namespace, Flow string
	First           string // the step at which messages enter
	Suspended, HTTP bool
	Schedule        string `json:",omitempty"`
	Steps           []plan.Step
	Topology        topology.Topology
	Accounts        []plan.Account
}

func asJSON(p plan.Plan) rendered {
	r := rendered{
		Namespace: p.Entry.Namespace, Flow: p.Entry.Flow, First: p.Entry.Step, Suspended: p.Entry.Suspended, HTTP: p.Entry.HTTP,
		Steps: p.Steps, Topology: p.Declare, Accounts: p.Accounts,
	}
	if p.Entry.Polling {
		r.Schedule = p.Entry.Schedule.String()
	}
	return r
}

func printPlan(w io.Writer, p plan.Plan) {
	fmt.Fprintf(w, "flow %s\n", p.Flow.Key())
	switch e := p.Entry; {
	case e.Suspended:
		fmt.Fprintf(w, "  suspended: nothing runs, messages are kept\n")
	case e.Polling:
		fmt.Fprintf(w, "  a tick to %s by the schedule %s\n", e.Step, e.Schedule)
	default:
		fmt.Fprintf(w, "  HTTP requests to /flow/%s go to %s\n", e.Flow, e.Step)
	}
	for _, s := range p.Steps {
		runs := "runs " + s.Image
		if s.Builtin != "" {
			runs = "runs the built-in " + s.Builtin + " for " + s.Image
		}
		fmt.Fprintf(w, "\nstep %s\n  %s, function %s, %s\n", s.ID, runs, s.Function, plural(s.Replicas, "replica"))
		for _, v := range s.Variables {
			fmt.Fprintf(w, "  %s=%s\n", v.Name, v.Value)
		}
	}
	fmt.Fprintf(w, "\nexchanges\n")
	for _, e := range p.Declare.Exchanges {
		alternate := ""
		if e.Alternate != "" {
			alternate = ", what no queue takes goes to " + e.Alternate
		}
		fmt.Fprintf(w, "  %s (%s%s)\n", e.Name, e.Kind, alternate)
	}
	fmt.Fprintf(w, "\nqueues\n")
	for _, q := range p.Declare.Queues {
		fmt.Fprintf(w, "  %s%s\n", q.Name, queueNotes(q))
	}
	fmt.Fprintf(w, "\nbindings\n")
	for _, b := range p.Declare.Bindings {
		to := b.Queue
		if b.Exchange != "" {
			to = b.Exchange + " (exchange)"
		}
		fmt.Fprintf(w, "  %s -> %s\n", strings.TrimSpace(b.Source+" "+b.Key), to)
	}
	fmt.Fprintf(w, "\naccounts\n")
	for _, a := range p.Accounts {
		fmt.Fprintf(w, "  %s: reads %s, writes %s with keys %s\n", a.User, a.Read, a.Write, a.TopicWrite)
	}
	fmt.Fprintln(w)
}

func queueNotes(q topology.Queue) string {
	var notes []string
	switch {
	case q.TTL > 0:
		notes = append(notes, fmt.Sprintf("for %v, then to %s", q.TTL, q.DeadLetterExchange))
	case q.DeadLetterKey != "":
		notes = append(notes, "dead letters with key "+q.DeadLetterKey)
	}
	if q.MessagesMax > 0 {
		notes = append(notes, fmt.Sprintf("keeps the newest %d", q.MessagesMax))
	}
	if notes == nil {
		return ""
	}
	return " (" + strings.Join(notes, ", ") + ")"
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
