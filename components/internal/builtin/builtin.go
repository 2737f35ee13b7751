// Package builtin holds what the built-in components have in common: how they describe themselves and how their data is checked.
// What they do is in a folder each.
package builtin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/openintegrationhub/leat/component"
)

// Component is a component that is part of the leat binary.
type Component struct {
	Name      string   // what `leat component NAME` starts
	Images    []string // repositories whose images it stands in for, such as "elasticio/timer"; see Match
	Functions map[string]component.Function

	// Check looks at a node before its flow runs: whether function exists, and whether data, the node's data as JSON (nil if it has none),
	// is what the function can work with. It returns every problem it finds, in the order of their paths.
	Check func(function string, data json.RawMessage) []Problem
}

// Problem is one mistake in a node.
type Problem struct {
	Path string // from the node down: "function", "data.interval", `data.mapper["first name"]`
	Text string // what is wrong; for an expression it starts with "line:column: "
}

func (p Problem) String() string { return p.Path + ": " + p.Text }

// Checks returns a Component.Check out of one check of the data for each function.
func Checks(functions map[string]func(data json.RawMessage) []Problem) func(string, json.RawMessage) []Problem {
	return func(function string, data json.RawMessage) []Problem {
		check, ok := functions[function]
		if !ok {
			known := strings.Join(slices.Sorted(maps.Keys(functions)), ", ")
			return []Problem{{Path: "function", Text: fmt.Sprintf("unknown function %q; known: %s", function, known)}}
		}
		problems := check(data)
		slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
		return problems
	}
}

// Path returns the path of a member below parent: parent.name, or parent["name"] where name is no plain word.
func Path(parent, name string) string {
	plain := name != ""
	for i, c := range name {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			plain = false
		}
	}
	if plain {
		return parent + "." + name
	}
	return parent + "[" + strconv.Quote(name) + "]"
}
