package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// files reads an archive.
func files(t *testing.T, body io.Reader) map[string]string {
	t.Helper()
	all := map[string]string{}
	for r := tar.NewReader(body); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[header.Name] = header.FileInfo().Mode().String() + header.Linkname + " " + string(text)
	}
}

func archiveFiles(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return files(t, f)
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

const dockerfile = `# comment
FROM golang:1 AS build
RUN make

FROM scratch AS base
COPY --from=build /program /bin/
COPY --chmod=0600 settings folder /etc/
USER 1:1
ENV A=b

FROM base AS one
ENTRYPOINT ["/bin/program", \
  "one"]
CMD ["x"]
`

// pack makes the image "one" of the Dockerfile above.
func packOne(t *testing.T, out string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), dockerfile, 0o644)
	write(t, filepath.Join(dir, "made/program"), "#!", 0o755)
	write(t, filepath.Join(dir, "settings"), "s", 0o644)
	write(t, filepath.Join(dir, "folder/deep/file"), "f", 0o644)
	if err := os.Symlink("deep/file", filepath.Join(dir, "folder/link")); err != nil {
		t.Fatal(err)
	}
	o := options{repository: "acme", tag: "2", context: dir, from: map[string]string{"build": filepath.Join(dir, "made")}}
	if err := run(filepath.Join(dir, "Dockerfile"), out, o, nil); err != nil {
		t.Fatal(err)
	}
	return archiveFiles(t, filepath.Join(out, "one.tar"))
}

func blob(t *testing.T, archive map[string]string, d descriptor) string {
	t.Helper()
	text, ok := archive["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
	if !ok {
		t.Fatalf("no blob %s", d.Digest)
	}
	_, text, _ = strings.Cut(text, " ")
	if sum := sha256.Sum256([]byte(text)); "sha256:"+hex.EncodeToString(sum[:]) != d.Digest || int64(len(text)) != d.Size {
		t.Errorf("blob %s has another digest or size", d.Digest)
	}
	return text
}

func TestAnImageHasWhatTheDockerfileSays(t *testing.T) {
	archive := packOne(t, t.TempDir())
	var index, image manifest
	_, text, _ := strings.Cut(archive["index.json"], " ")
	if err := json.Unmarshal([]byte(text), &index); err != nil {
		t.Fatal(err)
	}
	if got := index.Manifests[0].Annotations["io.containerd.image.name"]; got != "docker.io/acme/one:2" {
		t.Errorf("name is %q", got)
	}
	if err := json.Unmarshal([]byte(blob(t, archive, index.Manifests[0])), &image); err != nil {
		t.Fatal(err)
	}
	var settings struct {
		OS     string
		Config config
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal([]byte(blob(t, archive, *image.Config)), &settings); err != nil {
		t.Fatal(err)
	}
	want := config{User: "1:1", Env: []string{"A=b"}, Entrypoint: []string{"/bin/program", "one"}, Cmd: []string{"x"}}
	if diff := cmp.Diff(want, settings.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	got := map[string]string{}
	for i, layer := range image.Layers {
		if settings.RootFS.DiffIDs[i] != layer.Digest {
			t.Errorf("layer %d has another diff id", i)
		}
		for name, text := range files(t, strings.NewReader(blob(t, archive, layer))) {
			got[name] = text
		}
	}
	wantFiles := map[string]string{
		"bin/": "drwxr-xr-x ", "bin/program": "-rwxr-xr-x #!", "etc/": "drwxr-xr-x ", "etc/settings": "-rw------- s",
		"etc/deep/": "drwxr-xr-x ", "etc/deep/file": "-rw------- f", "etc/link": "Lrw-------deep/file ",
	}
	if diff := cmp.Diff(wantFiles, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestTheSameInputGivesTheSameImage(t *testing.T) {
	if diff := cmp.Diff(packOne(t, t.TempDir()), packOne(t, t.TempDir())); diff != "" {
		t.Errorf("two archives differ:\n%s", diff)
	}
}

func TestWhatCantBePackedIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"unknown instruction": {"FROM scratch AS x\nHEALTHCHECK true\nENTRYPOINT [\"/a\"]", "line 2: HEALTHCHECK isn't known here"},
		"an image that's run": {"FROM scratch AS x\nRUN true\nENTRYPOINT [\"/a\"]", `stage "x" has a RUN`},
		"unknown base":        {"FROM debian AS x\nENTRYPOINT [\"/a\"]", `no stage "debian"`},
		"unknown option":      {"FROM scratch AS x\nCOPY --link a b", "line 2: --link isn't known here"},
		"unknown stage":       {"FROM scratch AS x\nCOPY --from=y a b\nENTRYPOINT [\"/a\"]", "where is stage y?"},
		"no name":             {"FROM scratch", "want FROM BASE AS NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "Dockerfile"), test.text, 0o644)
			err := run(filepath.Join(dir, "Dockerfile"), dir, options{context: dir}, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}

// The project's own Dockerfiles can be read.
func TestDockerfilesOfTheProject(t *testing.T) {
	for file, targets := range map[string][]string{
		"../../Dockerfile":                     {"flows-operator", "scheduler", "communication-router", "api", "components"},
		"../../test/cluster/images/Dockerfile": {"pause", "coredns", "rabbitmq", "sailor"},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stages, err := parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, target := range targets {
			layers, c, err := flatten(stages, target)
			if err != nil || len(layers) == 0 || len(c.Entrypoint) == 0 {
				t.Errorf("%s: target %s: %d layers, entry point %q, %v", file, target, len(layers), c.Entrypoint, err)
			}
		}
	}
}
