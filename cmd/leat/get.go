package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/program"
)

type getCommand struct {
	Flows getFlowsCommand `cmd:"" aliases:"flow" help:"List the flows of a cluster."`
}

type getFlowsCommand struct {
	Name string `arg:"" optional:"" help:"Just this flow."`
	All  bool   `short:"A" name:"all-namespaces" help:"The flows of all namespaces."`
	JSON bool   `help:"Print JSON."`
	server
}

// asTable is what the API server makes of resources for people: the columns are those of the resource's definition, as kubectl shows them.
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

// table is a Table of meta.k8s.io/v1.
type table struct {
	Columns []struct {
		Name     string
		Priority int // more than 0 is for those who want it wide
	} `json:"columnDefinitions"`
	Rows []struct {
		Cells  []any
		Object struct {
			Metadata struct{ Namespace string }
		}
	}
}

func (c *getFlowsCommand) Run(ctx context.Context, std program.Streams) error {
	remote, err := c.inCluster()
	if err != nil {
		return err
	}
	if !remote {
		return program.Wrong(errors.New("no cluster is named: leat get shows what runs in one (--cluster, --context); leat run shows what runs on this machine"))
	}
	k, err := c.connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	path := "/apis/" + v1.APIVersion
	if !c.All {
		path += "/namespaces/" + k.namespace
	}
	path += "/flows"
	if c.Name != "" {
		path += "/" + c.Name
	}
	header := http.Header{"Accept": {asTable}}
	if c.JSON {
		header.Set("Accept", "application/json")
	}
	response, err := k.do(ctx, http.MethodGet, path, header, nil)
	if err != nil {
		return err
	}
	if response.status >= 400 {
		status, ok := readStatus(response.body)
		if !ok { // no such resource: a plain text
			return fmt.Errorf("list flows: %s: is Leat installed in cluster %s?", response.line, k.where)
		}
		return fmt.Errorf("list flows: %s", status)
	}
	if c.JSON {
		var all any
		if err := response.decode(&all); err != nil {
			return err
		}
		return printJSON(std.Out, withoutBookkeeping(all))
	}
	var t table
	if err := response.decode(&t); err != nil {
		return err
	}
	if len(t.Rows) == 0 {
		if c.All {
			fmt.Fprintln(std.Out, "no flows")
			return nil
		}
		fmt.Fprintf(std.Out, "no flows in namespace %s\n", k.namespace)
		return nil
	}
	return t.print(std.Out, c.All)
}

// withoutBookkeeping removes what the API server notes for itself: who owns which field.
func withoutBookkeeping(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if metadata, ok := v["metadata"].(map[string]any); ok {
			delete(metadata, "managedFields")
		}
		withoutBookkeeping(v["items"])
	case []any:
		for _, item := range v {
			withoutBookkeeping(item)
		}
	}
	return v
}

func (t *table) print(w io.Writer, namespaces bool) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var names []string
	if namespaces {
		names = append(names, "NAMESPACE")
	}
	for _, column := range t.Columns {
		if column.Priority == 0 {
			names = append(names, strings.ToUpper(column.Name))
		}
	}
	fmt.Fprintln(out, strings.Join(names, "\t"))
	for _, row := range t.Rows {
		var cells []string
		if namespaces {
			cells = append(cells, row.Object.Metadata.Namespace)
		}
		for i, cell := range row.Cells {
			if i < len(t.Columns) && t.Columns[i].Priority == 0 {
				text := ""
				if cell != nil {
					text = shorten(fmt.Sprint(cell))
				}
				cells = append(cells, text)
			}
		}
		fmt.Fprintln(out, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	return out.Flush()
}
