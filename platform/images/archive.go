package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Media types of the OCI image specification 1.1.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        *descriptor  `json:"config,omitempty"`
	Layers        []descriptor `json:"layers,omitempty"`
	Manifests     []descriptor `json:"manifests,omitempty"`
}

// pack writes the archive of one image: each source is a layer, and locate finds its files. The archive appears at path when it's complete.
func pack(path, name string, sources []layerSource, c config, locate func(stage, name string) (string, error)) error {
	part, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	defer part.Close()
	a := archive{tar.NewWriter(part)}
	image := manifest{SchemaVersion: 2, MediaType: typeManifest}
	for _, source := range sources {
		d, err := a.layer(source, locate)
		if err != nil {
			return err
		}
		image.Layers = append(image.Layers, d)
	}
	if err := a.finish(name, image, c); err != nil {
		return err
	}
	if err := part.Chmod(0o644); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

// archive is an OCI image layout in a tar.
type archive struct{ *tar.Writer }

// finish adds what comes after the layers: configuration, manifest, index.
func (a archive) finish(name string, image manifest, c config) error {
	digests := []string{}
	for _, l := range image.Layers {
		digests = append(digests, l.Digest) // they aren't compressed
	}
	settings, err := a.object(typeConfig, map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"User": c.User, "Env": c.Env, "Entrypoint": c.Entrypoint, "Cmd": c.Cmd, "WorkingDir": c.WorkingDir},
		"rootfs": map[string]any{"type": "layers", "diff_ids": digests},
	})
	if err != nil {
		return err
	}
	image.Config = &settings
	d, err := a.object(typeManifest, image)
	if err != nil {
		return err
	}
	d.Platform = &platform{runtime.GOARCH, "linux"} // containerd skips images without one
	_, tag, _ := strings.Cut(name, ":")
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": full(name)}
	index, err := json.Marshal(manifest{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{d}})
	if err != nil {
		return err
	}
	if err := a.file("index.json", bytes.NewReader(index), int64(len(index))); err != nil {
		return err
	}
	layout := `{"imageLayoutVersion":"1.0.0"}`
	if err := a.file("oci-layout", strings.NewReader(layout), int64(len(layout))); err != nil {
		return err
	}
	return a.Close()
}

// full is a name with its registry, as containerd keeps it; a first part without a dot isn't one.
func full(name string) string {
	if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") {
		return name
	}
	return "docker.io/" + name
}

func (a archive) file(name string, body io.Reader, size int64) error {
	if err := a.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(a, body)
	return err
}

// object adds the JSON of v as a blob.
func (a archive) object(mediaType string, v any) (descriptor, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	return a.blob(mediaType, bytes.NewReader(body))
}

func (a archive) blob(mediaType string, body io.ReadSeeker) (descriptor, error) {
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return descriptor{}, err
	}
	hash := sha256.New()
	size, err := io.Copy(hash, body)
	if err != nil {
		return descriptor{}, err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return descriptor{}, err
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: size}, a.file("blobs/sha256/"+sum, body, size)
}
