package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// stage is a FROM of a Dockerfile with what follows it.
type stage struct {
	Name, From string
	Copies     []layerSource
	config
	built bool // has a RUN: its files come from elsewhere
}

// layerSource is a COPY or an ADD: one layer of an image.
type layerSource struct {
	Stage       string // of COPY --from
	Sources     []string
	Destination string
	Archive     bool  // an ADD: Sources[0] is a tar that is the layer
	Mode        int64 // of files; 0 for their own
}

// config is what a container starts with.
type config struct {
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
	WorkingDir string
}

// parse reads the part of the language that a minimal image needs. Anything else in a stage without RUN is a mistake: it would be left out of
// the image in silence.
func parse(text string) ([]stage, error) {
	var stages []stage
	text = strings.ReplaceAll(text, "\\\n", " ")
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		if word == "FROM" {
			fields := strings.Fields(rest)
			if len(fields) != 3 || fields[1] != "AS" {
				return nil, fmt.Errorf("line %d: want FROM BASE AS NAME", number+1)
			}
			stages = append(stages, stage{From: fields[0], Name: fields[2]})
			continue
		}
		if len(stages) == 0 {
			return nil, fmt.Errorf("line %d: %s before FROM", number+1, word)
		}
		if err := stages[len(stages)-1].add(word, rest); err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
	}
	return stages, nil
}

// add takes in one instruction.
func (s *stage) add(word, rest string) (err error) {
	switch word {
	case "USER":
		s.User = rest
	case "WORKDIR":
		s.WorkingDir = rest
	case "ENV":
		if !strings.Contains(rest, "=") {
			return fmt.Errorf("want ENV NAME=VALUE")
		}
		s.Env = append(s.Env, rest)
	case "ENTRYPOINT":
		err = json.Unmarshal([]byte(rest), &s.Entrypoint)
	case "CMD":
		err = json.Unmarshal([]byte(rest), &s.Cmd)
	case "COPY", "ADD":
		var source layerSource
		if source, err = copied(word, rest); err == nil {
			s.Copies = append(s.Copies, source)
		}
	case "EXPOSE", "LABEL": // tell people something
	case "RUN", "ARG":
		s.built = true
	default:
		err = fmt.Errorf("%s isn't known here", word)
	}
	return err
}

func copied(word, rest string) (layerSource, error) {
	var source layerSource
	fields := strings.Fields(rest)
	for len(fields) > 0 && strings.HasPrefix(fields[0], "--") {
		name, value, _ := strings.Cut(fields[0], "=")
		switch name {
		case "--from":
			source.Stage = value
		case "--chmod":
			if _, err := fmt.Sscanf(value, "%o", &source.Mode); err != nil {
				return source, fmt.Errorf("%s: %w", fields[0], err)
			}
		default:
			return source, fmt.Errorf("%s isn't known here", name)
		}
		fields = fields[1:]
	}
	if len(fields) < 2 {
		return source, fmt.Errorf("want %s SOURCE... DESTINATION", word)
	}
	source.Archive = word == "ADD"
	source.Sources, source.Destination = fields[:len(fields)-1], fields[len(fields)-1]
	if source.Archive && (len(source.Sources) != 1 || source.Destination != "/") {
		return source, fmt.Errorf("ADD takes one archive, and its place is /")
	}
	return source, nil
}

// flatten returns the layers and the configuration of a target: its own after those of the stage that it's built from.
func flatten(stages []stage, target string) ([]layerSource, config, error) {
	i := slices.IndexFunc(stages, func(s stage) bool { return s.Name == target })
	if i < 0 {
		return nil, config{}, fmt.Errorf("no stage %q", target)
	}
	s := stages[i]
	if s.built {
		return nil, config{}, fmt.Errorf("stage %q has a RUN: only Docker can build it", target)
	}
	if s.From == "scratch" {
		return s.Copies, s.config, nil
	}
	layers, c, err := flatten(stages[:i], s.From)
	if err != nil {
		return nil, config{}, err
	}
	c.Env = append(slices.Clone(c.Env), s.Env...)
	if s.User != "" {
		c.User = s.User
	}
	if s.WorkingDir != "" {
		c.WorkingDir = s.WorkingDir
	}
	if s.Entrypoint != nil {
		c.Entrypoint, c.Cmd = s.Entrypoint, nil // as Docker does
	}
	if s.Cmd != nil {
		c.Cmd = s.Cmd
	}
	return append(slices.Clone(layers), s.Copies...), c, nil
}
