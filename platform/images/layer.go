package main

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// layer adds what one COPY or ADD puts into the image.
func (a archive) layer(source layerSource, locate func(stage, name string) (string, error)) (descriptor, error) {
	if source.Archive {
		at, err := locate("", source.Sources[0])
		if err != nil {
			return descriptor{}, err
		}
		body, err := os.Open(at)
		if err != nil {
			return descriptor{}, err
		}
		defer body.Close()
		return a.blob(typeLayer, body)
	}
	body, err := os.CreateTemp("", "layer-*")
	if err != nil {
		return descriptor{}, err
	}
	defer os.Remove(body.Name())
	defer body.Close()
	w := tar.NewWriter(body)
	made := map[string]bool{}
	for _, name := range source.Sources {
		at, err := locate(source.Stage, name)
		if err != nil {
			return descriptor{}, err
		}
		info, err := os.Stat(at) // follows a link
		if err != nil {
			return descriptor{}, err
		}
		destination := strings.Trim(path.Clean("/"+source.Destination), "/")
		if strings.HasSuffix(source.Destination, "/") && !info.IsDir() { // of a folder, what is in it is copied
			destination = path.Join(destination, filepath.Base(name))
		}
		if err := parents(w, destination, made); err != nil {
			return descriptor{}, err
		}
		if err := tree(w, at, destination, source.Mode); err != nil {
			return descriptor{}, fmt.Errorf("copy %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return descriptor{}, err
	}
	return a.blob(typeLayer, body)
}

// parents adds the folders above a name, open to read for all.
func parents(w *tar.Writer, name string, made map[string]bool) error {
	folder := path.Dir(name)
	if folder == "." || made[folder] {
		return nil
	}
	if err := parents(w, folder, made); err != nil {
		return err
	}
	made[folder] = true
	return w.WriteHeader(&tar.Header{Name: folder + "/", Typeflag: tar.TypeDir, Mode: 0o755})
}

// tree adds a file, or a folder with all that's in it. A link that is named itself stands for what it points to; those within a folder stay links.
func tree(w *tar.Writer, at, destination string, mode int64) error {
	at, err := filepath.EvalSymlinks(at)
	if err != nil {
		return err
	}
	return filepath.WalkDir(at, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(at, file)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(file); err != nil {
				return err
			}
		}
		header, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		name := path.Join(destination, filepath.ToSlash(inside))
		*header = tar.Header{Name: name, Typeflag: header.Typeflag, Linkname: link, Mode: header.Mode, Size: header.Size}
		if mode != 0 && !entry.IsDir() {
			header.Mode = mode
		}
		if entry.IsDir() {
			header.Name += "/"
		}
		if name == "." {
			return nil // the root itself
		}
		if err := w.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
			return err
		}
		return contents(w, file)
	})
}

func contents(w io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
