package e2e_test

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// registryPort is where the cluster's node looks for images of leat.local: test/cluster/up.sh.
const registryPort = "5000"

// registry serves one image out of an OCI archive to who has the password: as much of the registry's protocol as a pull needs.
type registry struct {
	user, password string
	blobs          map[string][]byte // by digest
	manifest       string            // digest
}

func newRegistry(t *testing.T, archive, user, password string) *registry {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := &registry{user: user, password: password, blobs: map[string][]byte{}}
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if digest, ok := strings.CutPrefix(header.Name, "blobs/sha256/"); ok {
			r.blobs["sha256:"+digest] = body
		}
		if header.Name == "index.json" {
			var index struct{ Manifests []struct{ Digest string } }
			if err := json.Unmarshal(body, &index); err != nil {
				t.Fatal(err)
			}
			r.manifest = index.Manifests[0].Digest
		}
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(world.hostIP, registryPort))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return r
}

func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if user, password, _ := request.BasicAuth(); user != r.user || password != r.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}`, http.StatusUnauthorized)
		return
	}
	digest := filepath.Base(request.URL.Path)
	if strings.Contains(request.URL.Path, "/manifests/") {
		digest = r.manifest
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	}
	if request.URL.Path == "/v2/" {
		return
	}
	body, ok := r.blobs[digest]
	if !ok {
		http.NotFound(w, request)
		return
	}
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if request.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

// "Platform does not provide a way to configure secrets to download private docker images"
func TestPrivateImage(t *testing.T) {
	t.Parallel()
	newRegistry(t, filepath.Join(os.Getenv("KUBE_HOME"), "images", "sailor.tar"), "alice", "s3cret")
	out := newSink(t)
	private := node("work", "leat.local/private/relay:1", "relay", map[string]string{"word": "secret"})
	private.ImagePullPolicy = "Always" // an earlier run may have left it on the node
	f := chain("private", hook("in"), private, to("out", out.url))
	create(t, f)
	until(t, patience, "the status says that the image can't be pulled", func() (bool, string) {
		f := flow(t, f.Name)
		last := step(f, "work").LastFailure
		return last != nil && strings.Contains(last.Reason, "ImagePull"), status(f)
	})

	auth := base64.StdEncoding.EncodeToString([]byte("alice:s3cret"))
	config, err := json.Marshal(map[string]any{"auths": map[string]any{"leat.local": map[string]string{"auth": auth}}})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
		"metadata": map[string]string{"name": "registry", "namespace": flows}, "data": map[string][]byte{".dockerconfigjson": config},
	})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, string(secret))
	t.Cleanup(func() { _, _ = run(context.Background(), "kubectl", "delete", "secret", "registry", "-n", flows) })
	f.Spec.ImagePullSecrets = []v1.SecretName{{Name: "registry"}}
	put(t, f)
	ready(t, f.Name)
	send(t, f.Name, map[string]any{"n": 1})
	out.waitFor(t, "word", "secret")
}
