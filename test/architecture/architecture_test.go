// Package architecture_test holds the shape of the code: which package may import which, and how long files and functions get.
package architecture_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/openintegrationhub/leat/"

// allowed says which packages of Leat each package may import; a trailing /... stands for all below. The first entry that fits a package
// holds. Other modules are dependencies.md's business.
var allowed = []struct {
	pkg     string
	imports []string
	why     string
}{
	{"jsonata/...", []string{"jsonata/..."}, "other projects should be able to use it"},
	{"api/v1", nil, "clients import it: apimachinery only"},
	{"internal/broker/...", []string{"internal/broker/..."}, "it's an AMQP broker and could live alone"},
	{"internal/message", nil, "the wire format is pure"},
	{"internal/flow", []string{"api/v1"}, "the domain is pure"},
	{"internal/topology", []string{"api/v1", "internal/flow"}, "pure"},
	{"internal/plan", []string{"api/v1", "internal/flow", "internal/topology"}, "decides everything, touches nothing"},
	{"internal/watchdog", nil, "one set of rules for processes and pods, pure"},
	{"internal/kube", []string{"api/v1", "internal/flow", "internal/plan", "internal/topology"}, "what the parts on Kubernetes share, without I/O"},
	{"internal/operator", []string{"api/v1", "internal/amqp", "internal/flow", "internal/kube", "internal/message", "internal/plan", "internal/rabbitmq", "internal/topology", "internal/watchdog"}, "adapters don't import each other"},
	{"internal/ferry", []string{"internal/amqp", "internal/message", "internal/plan", "internal/topology"}, "needs the broker and nothing else"},
	{"internal/store", []string{"internal/message"}, "below its users"},
	{"internal/rabbitmq/...", []string{"internal/rabbitmq/...", "internal/topology"}, "a client of one API"},
	{"internal/amqp/...", []string{"internal/amqp/...", "internal/message", "internal/topology", "internal/flow"}, "the seam between parts"},
	{"internal/runner", []string{"internal/amqp", "internal/message"}, "a step knows just the wire"},
	{"component/...", []string{"component/...", "internal/runner", "internal/message"}, "the public SDK"},
	{"components/...", []string{"component/...", "components/...", "jsonata"}, "built-ins use what everybody can use"},
	{"internal/scheduler", []string{"internal/amqp", "internal/flow", "internal/message", "internal/plan", "internal/topology"}, "adapters don't import each other"},
	{"internal/router", []string{"internal/amqp", "internal/flow", "internal/message", "internal/plan", "internal/topology"}, "adapters don't import each other"},
	{"internal/api", []string{"internal/amqp", "internal/flow", "internal/message", "internal/plan", "internal/store", "internal/topology"}, "the only service that opens the store"},
	{"internal/install", []string{"internal/rabbitmq"}, "runs once, with as little as it needs"},
	{"platform/...", nil, "descriptors, and what packs images: knows nothing of what it ships"},
	{"internal/cluster", []string{"api/v1", "internal/..."}, "the services of a cluster, as internal/local is all of them in one process"},
	{"internal/local", []string{"component", "internal/..."}, "everything in one process; components are handed in"},
	{"internal/program", []string{"components", "internal/flow"}, "what the programs have in common"},
	{"example/...", []string{"component"}, "what anybody can write"},
	{"cmd/...", []string{"api/v1", "component", "components/...", "internal/...", "jsonata"}, "puts it all together"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsGoOneWay(t *testing.T) {
	command := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	command.Dir = root(t)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	seen := 0
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "test/") || strings.HasSuffix(name, "test") {
			continue
		}
		seen++
		for _, mistake := range check(name, p.Imports) {
			t.Error(mistake)
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

// check returns what is wrong with the imports of a package.
func check(name string, imports []string) (mistakes []string) {
	i := slices.IndexFunc(allowed, func(rule struct {
		pkg     string
		imports []string
		why     string
	}) bool {
		return fits(rule.pkg, name)
	})
	if i < 0 {
		return []string{fmt.Sprintf("package %s has no rule in %s: say what it may import", name, "allowed")}
	}
	for _, imported := range imports {
		own, ok := strings.CutPrefix(imported, module)
		if ok && !slices.ContainsFunc(allowed[i].imports, func(pattern string) bool { return fits(pattern, own) }) {
			mistakes = append(mistakes, fmt.Sprintf("%s imports %s, but may not: %s", name, own, allowed[i].why))
		}
	}
	return mistakes
}

func TestAForbiddenImportIsFound(t *testing.T) {
	if got := check("internal/router", []string{"fmt", module + "internal/api"}); len(got) != 1 {
		t.Errorf("router -> api: %v, want one mistake", got)
	}
	if got := check("internal/unheard", nil); len(got) != 1 {
		t.Errorf("a package without a rule: %v, want one mistake", got)
	}
}

func fits(pattern, name string) bool {
	if parent, all := strings.CutSuffix(pattern, "/..."); all {
		return name == parent || strings.HasPrefix(name, parent+"/")
	}
	return name == pattern
}

const (
	fileLinesMax     = 500
	functionLinesMax = 70
)

// A longer file, or function, says why in a comment that has this word before the reason.
const reasonWord = "Long because"

// The libraries of Kubernetes register thousands of types when a program starts: command leat does without them (docs/design/0008-two-programs.md).
func TestCommandLineIsLight(t *testing.T) {
	command := exec.Command("go", "list", "-deps", "./cmd/leat")
	command.Dir = root(t)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "k8s.io/client-go/rest") {
		t.Error("cmd/leat doesn't import k8s.io/client-go/rest: this test looks for the wrong names")
	}
	for _, name := range packages {
		if strings.HasPrefix(name, "sigs.k8s.io/controller-runtime") || strings.HasPrefix(name, "k8s.io/client-go/kubernetes") || strings.HasPrefix(name, "k8s.io/api/") {
			t.Errorf("cmd/leat imports %s: that belongs into cmd/leat-platform", name)
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	top := root(t)
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || entry.Name() == "testdata"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(entry.Name(), "zz_generated"):
			return nil
		}
		name, _ := filepath.Rel(top, path)
		return lengths(t, path, name)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func lengths(t *testing.T, path, name string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, source, parser.ParseComments)
	if err != nil {
		return err
	}
	if lines := bytes.Count(source, []byte("\n")); lines > fileLinesMax && !strings.Contains(file.Doc.Text(), reasonWord) {
		t.Errorf("%s has %d lines, more than %d: split it, or say %q in its package comment", name, lines, fileLinesMax, reasonWord)
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if lines := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; lines > functionLinesMax && !strings.Contains(f.Doc.Text(), reasonWord) {
			t.Errorf("%s: function %s has %d lines, more than %d: split it, or say %q in its comment", name, f.Name.Name, lines, functionLinesMax, reasonWord)
		}
	}
	return nil
}

// root is the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}
