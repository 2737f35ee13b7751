package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/program"
)

// pages are what a newcomer reads and copies from.
func pages(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, name := range []string{"README.md", "docs/guide/running.md", "docs/guide/flows.md", "docs/guide/components.md"} {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	return texts
}

var (
	indented = regexp.MustCompile(`(?m)^    (\S.*)$`)
	fenced   = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
)

// commands lists the command lines of a page: those of indented lines and of blocks marked as sh.
func commands(page string) []string {
	var lines []string
	for _, block := range fenced.FindAllStringSubmatch(page, -1) {
		if block[1] == "sh" {
			lines = append(lines, strings.Split(strings.TrimSpace(block[2]), "\n")...)
		}
	}
	for _, line := range indented.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		lines = append(lines, line[1])
	}
	return lines
}

// Every command that README and guide show is run by a story, literally, and a story shows nothing that isn't there.
func TestEveryCommandOfTheDocsIsRunByAStory(t *testing.T) {
	var stories strings.Builder
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stories.Write(text)
	}
	run := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^shown (?:&\w+ )?'(.*)'$`).FindAllStringSubmatch(stories.String(), -1) {
		run[withoutComment(strings.ReplaceAll(found[1], "''", "'"))] = true
	}
	shown := map[string]bool{}
	for page, text := range pages(t) {
		for _, line := range commands(text) {
			line = withoutComment(line)
			shown[line] = true
			if !run[line] && !slices.Contains([]string{"make run", "make test"}, line) {
				t.Errorf("%s shows a command that no story runs: %s", page, line)
			}
		}
	}
	for line := range run {
		if !shown[line] {
			t.Errorf("a story says that the docs show this, and they don't: %s", line)
		}
	}
	// What `make run` does is the first command of the guide.
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^run:.*\n\t\./bin/(leat run .*)$`).FindSubmatch(makefile)
	if found == nil || !run[string(found[1])] {
		t.Errorf("no story runs what `make run` does: %q", found)
	}
	if len(shown) < 10 {
		t.Errorf("only %d commands were found in the docs", len(shown))
	}
}

func withoutComment(line string) string {
	line, _, _ = strings.Cut(line, " # ")
	return strings.TrimSpace(line)
}

// Every flow of the docs is right.
func TestFlowsOfTheDocsAreRight(t *testing.T) {
	found := 0
	for page, text := range pages(t) {
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			if (block[1] == "json" || block[1] == "yaml") && strings.Contains(block[2], "elastic.io/v1") {
				found++
				if _, err := flow.Parse(page, []byte(block[2]), program.CheckData); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if found < 2 {
		t.Errorf("%d flows were found in the docs", found)
	}
}

func TestConfigOfTheDocsIsRight(t *testing.T) {
	for _, block := range fenced.FindAllStringSubmatch(pages(t)["docs/guide/running.md"], -1) {
		if block[1] != "yaml" {
			continue
		}
		file := filepath.Join(t.TempDir(), "leat.yaml")
		if err := os.WriteFile(file, []byte(block[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := readConfig(file)
		if err != nil {
			t.Fatal(err)
		}
		if c.Data == "" || c.Listen == "" || c.AMQP == "" || len(c.Components) == 0 {
			t.Errorf("the config of the docs leaves settings out: %+v", c)
		}
		var known map[string]any
		if err := yaml.Unmarshal([]byte(block[2]), &known); err != nil {
			t.Fatal(err)
		}
		if fields := reflect.TypeFor[config]().NumField(); len(known) != fields {
			t.Errorf("the config of the docs has %d settings, there are %d", len(known), fields)
		}
		return
	}
	t.Error("no config in docs/guide/running.md")
}

// The tables of docs/guide/flows.md have every field of a flow, and no other.
func TestGuideHasEveryFieldOfAFlow(t *testing.T) {
	_, page, _ := strings.Cut(pages(t)["docs/guide/flows.md"], "## spec")
	spec, nodes, _ := strings.Cut(page, "## Nodes")
	nodes, _, _ = strings.Cut(nodes, "\n### ") // what follows are tables of other things
	for name, part := range map[string]struct {
		text string
		kind reflect.Type
	}{"spec": {spec, reflect.TypeFor[v1.FlowSpec]()}, "nodes": {nodes, reflect.TypeFor[v1.Node]()}} {
		var got, want []string
		for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(part.text, -1) {
			for _, field := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[1], -1) {
				got = append(got, field[1])
			}
		}
		for field := range part.kind.Fields() {
			tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			want = append(want, tag)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fields of %s in docs/guide/flows.md (-want +got):\n%s", name, diff)
		}
	}
}

// The README's flow is the one that the stories run.
func TestStoriesRunTheReadmesFlow(t *testing.T) {
	story, err := os.ReadFile("testdata/script/send.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, ours, _ := strings.Cut(string(story), "-- hello.json --\n")
	for _, block := range fenced.FindAllStringSubmatch(pages(t)["README.md"], -1) {
		if block[1] != "json" {
			continue
		}
		if diff := cmp.Diff(block[2], ours); diff != "" || !json.Valid([]byte(ours)) {
			t.Errorf("flow of the README and of send.txtar (-README +story):\n%s", diff)
		}
		return
	}
	t.Error("no flow in README.md")
}
