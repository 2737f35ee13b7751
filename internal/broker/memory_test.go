package broker

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheMemoryLimitIsAShareOfWhatThereIs(t *testing.T) {
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	machine := write("MemFree: 5 kB\nMemTotal:       10485760 kB\nBuffers: 1 kB\n")
	for name, tc := range map[string]struct {
		machine, container string
		want               uint64
	}{
		"the machine's":                       {machine, "none", 4 << 30},
		"a container without a limit":         {machine, write("max\n"), 4 << 30},
		"a container with less":               {machine, write("1073741824\n"), 429496729},
		"neither known":                       {"none", "none", 0},
		"a file that says something else":     {write("?"), write("?"), 0},
		"a container with more than is there": {machine, write("107374182400\n"), 4 << 30},
	} {
		if got := memoryHigh(tc.machine, tc.container); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
