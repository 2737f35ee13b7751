package flow_test

import (
	"errors"
	"flag"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/openintegrationhub/leat/internal/flow"
)

var update = flag.Bool("update", false, "write what was got into testdata")

func TestEachMistakeIsToldInPlainWords(t *testing.T) {
	const file = "testdata/mistakes.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]string{}
	for _, f := range archive.Files {
		if name, ok := strings.CutSuffix(f.Name, ".want"); ok {
			wants[name] = string(f.Data)
		}
	}
	updated := &txtar.Archive{Comment: archive.Comment}
	cases := 0
	for _, f := range archive.Files {
		ext := path.Ext(f.Name)
		if ext == ".want" {
			continue
		}
		cases++
		name := strings.TrimSuffix(f.Name, ext)
		t.Run(name, func(t *testing.T) {
			flows, err := flow.Parse("flow"+ext, f.Data)
			var ms flow.Mistakes
			if !errors.As(err, &ms) || flows != nil {
				t.Fatalf("got flows %v and error %v, want mistakes and no flows", flows, err)
			}
			got := ms.Error() + "\n"
			updated.Files = append(updated.Files, f, txtar.File{Name: name + ".want", Data: []byte(got)})
			if want := wants[name]; !*update && got != want {
				t.Errorf("mistakes differ (-want +got):\n%s", cmp.Diff(want, got))
			}
		})
	}
	if cases < 45 {
		t.Errorf("got %d wrong files, want at least 45", cases)
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
