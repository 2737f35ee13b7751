package v1_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheCustomResourceDefinitionIsThatOfTheTypes(t *testing.T) {
	folder := t.TempDir()
	if out, err := exec.Command("sh", "../../tools/crd.sh", folder).CombinedOutput(); err != nil {
		t.Fatalf("make the definition: %v\n%s", err, out)
	}
	want, err := os.ReadFile(folder + "/flows.elastic.io.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../platform/crd/flows.elastic.io.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("platform/crd/flows.elastic.io.yaml isn't what tools/crd.sh makes (-want +got):\n%s", diff)
	}
}
