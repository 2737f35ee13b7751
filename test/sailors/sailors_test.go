// Package sailors_test runs the real libraries of elastic.io and the Open Integration Hub, as they come from their registries, against Leat:
// on the embedded broker as `leat run` has it, and on RabbitMQ with the same planner, topology, API and collector.
//
// `make test-sailors` installs the libraries and runs everything; LEAT_SAILORS is the folder that they are in. Without it the tests have
// nothing to run and say so.
package sailors_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/polltest"
)

// patience is the bound of every wait: only something broken reaches it.
const patience = 90 * time.Second

// libraries is the folder with the installed libraries.
func libraries(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("LEAT_SAILORS")
	if folder == "" {
		t.Skip("the libraries aren't installed: use `make test-sailors`")
	}
	return folder
}

// generation is a version of a library, with what is known to differ (contract.md).
type generation struct {
	name   string
	folder string // below libraries
	kind   kind
	// graceful: a step that gets SIGTERM finishes the message in work.
	graceful bool
	// rereads: the snapshot is asked for before each message. Others of Java's know the one of their start.
	rereads bool
}

type kind string

const (
	node     kind = "node"
	java     kind = "java"
	ferryman kind = "ferryman"
)

var generations = []generation{
	{name: "node-2.2.1", folder: "sailor-2.2.1", kind: node},
	{name: "node-2.3.0", folder: "sailor-2.3.0", kind: node},
	{name: "node-2.4.2", folder: "sailor-2.4.2", kind: node},
	{name: "node-2.6.7", folder: "sailor-2.6.7", kind: node, graceful: true},
	{name: "node-2.6.29", folder: "sailor-2.6.29", kind: node, graceful: true},
	{name: "node-2.7.8", folder: "sailor-2.7.8", kind: node, graceful: true},
	{name: "java-3.4.0", folder: "java-3.4.0", kind: java, graceful: true},
	{name: "java-5.0.0", folder: "java-5.0.0", kind: java, graceful: true, rereads: true},
	{name: "ferryman-2.4.7", folder: "ferryman-2.4.7", kind: ferryman},
}

// present fails the test if the generation's library isn't installed. LEAT_SAILORS_WITHOUT=java does without those from Maven Central, which
// doesn't serve them everywhere; a generation's name leaves out just this one.
func (g generation) present(t testing.TB) {
	t.Helper()
	if g.leftOut() {
		t.Skip("left out by LEAT_SAILORS_WITHOUT")
	}
	folder := filepath.Join(libraries(t), g.folder)
	if _, err := os.Stat(filepath.Join(folder, "installed")); err != nil {
		reason, _ := os.ReadFile(filepath.Join(folder, "maven.log"))
		t.Fatalf("%s isn't installed. LEAT_SAILORS_WITHOUT=%s runs the others.\n%s", g.name, g.kind, reason[:min(len(reason), 600)])
	}
}

func (g generation) leftOut() bool {
	without := os.Getenv("LEAT_SAILORS_WITHOUT")
	return without == string(g.kind) || without == g.name
}

// image is what flows name to get the generation.
func (g generation) image() string { return "test/" + g.name }

// program is how a generation's test component is started, and in which folder.
func (g generation) program(t testing.TB) (line, dir string) {
	t.Helper()
	folder := filepath.Join(libraries(t), g.folder)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	switch g.kind {
	case java:
		// The test reads environment and process id from the notes.
		return "SAILOR_PID=$$ node node/notes.js; exec java -cp '" + filepath.Join(folder, "classes") + ":" + filepath.Join(folder, "lib") + "/*' io.elastic.sailor.Sailor", here
	case ferryman:
		return "node " + filepath.Join(folder, "node_modules", "@openintegrationhub", "ferryman", "runGlobal.js"), filepath.Join(here, "ferryman")
	}
	return "node " + filepath.Join(folder, "node_modules", "elasticio-sailor-nodejs", "run.js"), filepath.Join(here, "node")
}

// each runs a test with every generation of a kind, on both brokers.
func each(t *testing.T, k kind, test func(t *testing.T, p platform, g generation)) {
	libraries(t)
	for _, g := range of(k) {
		t.Run(g.name, func(t *testing.T) {
			g.present(t)
			onBrokers(t, func(t *testing.T, p platform) { test(t, p, g) })
		})
	}
}

// eachSailor runs a test with every generation of elastic.io's libraries, on both brokers.
func eachSailor(t *testing.T, test func(t *testing.T, p platform, g generation)) {
	each(t, node, test)
	each(t, java, test)
}

// of lists the generations of a kind.
func of(k kind) []generation {
	return slices.DeleteFunc(slices.Clone(generations), func(g generation) bool { return g.kind != k })
}

func newest(k kind) generation { return of(k)[len(of(k))-1] }

// onBrokers runs a test on both brokers.
func onBrokers(t *testing.T, test func(t *testing.T, p platform)) {
	t.Run("embedded", func(t *testing.T) { test(t, newEmbedded(t)) })
	t.Run("rabbitmq", func(t *testing.T) { test(t, newCluster(t)) })
}

// eventually asks until it's true, with a bound.
func eventually(t testing.TB, what string, done func() (ok bool, state any)) {
	t.Helper()
	polltest.Eventually(t, patience, what, done)
}

// build makes the leat program.
func build(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leat")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/leat").CombinedOutput(); err != nil {
		t.Fatalf("build leat: %v\n%s", err, out)
	}
	return path
}
