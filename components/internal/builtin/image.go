package builtin

import "strings"

// Match tells whether image is an image of repository, whatever its tag, its digest and the registry it's pulled from:
//
//	Match("elasticio/timer", "elasticio/timer:ca9a6fe")                        true
//	Match("elasticio/timer", "registry.example.com:5000/elasticio/timer@sha256:…") true
//	Match("elasticio/timer", "acme/timer")                                     false
//	Match("elasticio/timer", "registry.example.com/acme/elasticio/timer")      false
//
// A mirror under the same name is the same program; a repository below another path is somebody's own. As in Docker, the first part of
// a reference is a registry if it has a dot or a colon or is "localhost".
func Match(repository, image string) bool {
	return Repository(image) == repository
}

// Repository returns an image reference without registry, tag and digest.
func Repository(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if slash, colon := strings.LastIndexByte(name, '/'), strings.LastIndexByte(name, ':'); colon > slash {
		name = name[:colon]
	}
	if first, rest, ok := strings.Cut(name, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return rest
	}
	return name
}
