package components_test

import (
	"encoding/json"
	"testing"

	"github.com/openintegrationhub/leat/components"
)

func TestFindKnowsTheImagesOfExampleFlows(t *testing.T) {
	for image, want := range map[string]string{
		"elasticio/timer:ca9a6fea391ffa8f7c8593bd2a04143212ab63f6":  "timer",
		"elasticio/email:5772ae1780f912e4f098de5718511b57b279766f":  "email",
		"elasticio/mapper:c9e011cf7866a2e82771b62cfd96cd75868f5b90": "mapper",
		"elasticio/jsonata-transform-component:1.0":                 "jsonata-transform",
		"elasticio/simple-trigger-component:1":                      "simple-trigger",
		"docker.io/elasticio/webhook":                               "webhook",
		"registry.example.com:5000/elasticio/webhook-component:2.0": "webhook",
		"elasticio/unknown": "",
		"acme/timer":        "",
		"":                  "",
	} {
		c, ok := components.Find(image)
		if c.Name != want || ok != (want != "") {
			t.Errorf("Find(%q): got %q, %v; want %q", image, c.Name, ok, want)
		}
	}
}

func TestBuiltinsAreNamedOnceAndCheckTheirFunctions(t *testing.T) {
	names, images := map[string]bool{}, map[string]bool{}
	for _, c := range components.Builtin() {
		if c.Name == "" || names[c.Name] {
			t.Errorf("the name %q is empty or taken", c.Name)
		}
		names[c.Name] = true
		if len(c.Images) == 0 || len(c.Functions) == 0 {
			t.Errorf("%s: got %d images and %d functions, want some", c.Name, len(c.Images), len(c.Functions))
		}
		for _, image := range c.Images {
			if images[image] {
				t.Errorf("%s: the image %s is taken", c.Name, image)
			}
			images[image] = true
		}
		for function := range c.Functions {
			for _, p := range c.Check(function, json.RawMessage(`{}`)) {
				if p.Path == "function" {
					t.Errorf("%s: its own check doesn't know %s", c.Name, function)
				}
			}
		}
		if got := c.Check("no such function", nil); len(got) != 1 || got[0].Path != "function" {
			t.Errorf("%s: an unknown function gave %v", c.Name, got)
		}
	}
}
