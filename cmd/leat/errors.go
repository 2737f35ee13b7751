package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/program"
)

type errorsCommand struct {
	What  string `arg:"" optional:"" name:"flow|id" help:"A flow, to list just its errors, or the id of an error, to see all of it."`
	State string `default:"open" enum:"open,replayed,discarded,all" help:"Which errors: open, replayed, discarded, all."`
	Limit int    `default:"50" help:"How many, the newest first."`
	JSON  bool   `help:"Print JSON."`
	All   bool   `short:"A" name:"all-namespaces" help:"The errors of all namespaces of a cluster."`
	server
}

type replayCommand struct {
	selection
	server
}

type discardCommand struct {
	selection
	server
}

// selection is one error, or all open ones of a flow or step.
type selection struct {
	ID   int64  `arg:"" optional:"" help:"Id of the error."`
	Flow string `placeholder:"FLOW" help:"All open errors of a flow."`
	Step string `placeholder:"STEP" help:"With --flow: just those of one step."`
}

func (c *errorsCommand) Run(ctx context.Context, std program.Streams) error {
	if id, err := strconv.ParseInt(c.What, 10, 64); err == nil {
		return c.show(ctx, std.Out, id)
	}
	query := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	if c.What != "" {
		query.Set("flow", c.What)
	}
	if c.State != "all" {
		query.Set("state", c.State)
	}
	var answer struct{ Errors []api.ErrorInfo }
	if !c.All {
		var err error
		if query, err = c.scoped(query); err != nil {
			return err
		}
	}
	if err := c.call(ctx, apiPart, http.MethodGet, "/api/errors?"+query.Encode(), nil, &answer); err != nil {
		return fmt.Errorf("list errors: %w", err)
	}
	if c.JSON {
		return printJSON(std.Out, answer.Errors)
	}
	if len(answer.Errors) == 0 {
		fmt.Fprintln(std.Out, "no errors")
		return nil
	}
	table := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tLAST\tFLOW\tSTEP\tTIMES\tSTATE\tREASON")
	for _, e := range answer.Errors {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%s\t%s\n", e.ID, e.Last.Local().Format("01-02 15:04:05"), e.Flow, e.Step, e.Times, e.State, shorten(e.Reason))
	}
	return table.Flush()
}

// show prints all that is known of an error.
func (c *errorsCommand) show(ctx context.Context, w io.Writer, id int64) error {
	query, err := c.scoped(url.Values{})
	if err != nil {
		return err
	}
	var e api.ErrorInfo
	if err := c.call(ctx, apiPart, http.MethodGet, withQuery(fmt.Sprintf("/api/errors/%d", id), query), nil, &e); err != nil {
		return fmt.Errorf("show error %d: %w", id, err)
	}
	return printJSON(w, e)
}

func (c *replayCommand) Run(ctx context.Context, std program.Streams) error {
	return c.do(ctx, c.server, std.Out, "replay", "on its way again", "on their way again")
}

func (c *discardCommand) Run(ctx context.Context, std program.Streams) error {
	return c.do(ctx, c.server, std.Out, "discard", "discarded", "discarded")
}

// do carries out a deed on the selected errors and says what became of them.
func (s selection) do(ctx context.Context, server server, w io.Writer, deed, one, many string) error {
	var path string
	query := url.Values{}
	switch {
	case s.ID > 0 && s.Flow == "" && s.Step == "":
		path = fmt.Sprintf("/api/errors/%d/%s", s.ID, deed)
	case s.ID == 0 && s.Flow != "":
		path, query = "/api/errors/"+deed, url.Values{"flow": {s.Flow}, "step": {s.Step}}
	default:
		return program.Wrong(fmt.Errorf("say which errors: leat %s ID, or leat %s --flow FLOW [--step STEP]", deed, deed))
	}
	query, err := server.scoped(query)
	if err != nil {
		return err
	}
	var answer struct{ Changed int }
	if err := server.call(ctx, apiPart, http.MethodPost, withQuery(path, query), nil, &answer); err != nil {
		return fmt.Errorf("%s: %w", deed, err)
	}
	if answer.Changed == 1 {
		fmt.Fprintf(w, "1 message %s\n", one)
		return nil
	}
	fmt.Fprintf(w, "%d messages %s\n", answer.Changed, many)
	return nil
}

func withQuery(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

const reasonShown = 100

// shorten makes a reason fit a line.
func shorten(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if runes := []rune(text); len(runes) > reasonShown {
		return string(runes[:reasonShown]) + "..."
	}
	return text
}
