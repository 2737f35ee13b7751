// Package components lists the components that are part of the leat binary. Each is a folder of its own; `leat run` runs them as goroutines
// in place of the images they stand in for, and `leat component NAME` as a process or container.
package components

import (
	"github.com/openintegrationhub/leat/components/email"
	"github.com/openintegrationhub/leat/components/internal/builtin"
	"github.com/openintegrationhub/leat/components/mapper"
	"github.com/openintegrationhub/leat/components/reply"
	"github.com/openintegrationhub/leat/components/timer"
	"github.com/openintegrationhub/leat/components/webhook"
)

// Component is one of them.
type Component = builtin.Component

// Problem is one mistake in a node, as Component.Check finds it.
type Problem = builtin.Problem

// Builtin returns all of them, by name.
func Builtin() []Component {
	return []Component{
		email.Component(),
		mapper.TransformComponent(),
		mapper.Component(),
		reply.Component(),
		timer.SimpleTrigger(),
		timer.Component(),
		webhook.Component(),
	}
}

// Find returns the component that stands in for an image, whatever its tag, digest or registry; see Match.
func Find(image string) (Component, bool) {
	for _, c := range Builtin() {
		for _, repository := range c.Images {
			if Match(repository, image) {
				return c, true
			}
		}
	}
	return Component{}, false
}

// Match tells whether image is an image of repository, whatever its tag, its digest and the registry it's pulled from:
// Match("elasticio/timer", "registry.example.com:5000/elasticio/timer:1.2") is true. An image in another repository, such as "acme/timer" or
// "registry.example.com/acme/elasticio/timer", is somebody's own.
func Match(repository, image string) bool { return builtin.Match(repository, image) }
