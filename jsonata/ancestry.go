package jsonata

// pushAncestry hands the parents that n still seeks to what contains it.
func pushAncestry(onto, n *ast) {
	onto.seeking = append(onto.seeking, n.seeking...)
	if n.kind == aParent {
		onto.seeking = append(onto.seeking, n.slot)
	}
}

// seekParent marks the step that the slot means, walking up from n; the slot's level counts what is left to walk.
func seekParent(n *ast, s *slot) (*slot, *Error) {
	switch n.kind {
	case aName, aWildcard:
		s.level--
		if s.level != 0 {
			return s, nil
		}
		if n.ancestor == nil {
			n.ancestor = s
		} else if n.ancestor != s {
			s.same = n.ancestor
		}
		n.tuple = true
	case aParent:
		s.level++
	case aBlock:
		if len(n.list) > 0 {
			n.tuple = true
			return seekParent(n.list[len(n.list)-1], s)
		}
	case aPath:
		n.tuple = true
		for i := len(n.list) - 1; i >= 0; i-- {
			var err *Error
			if s, err = seekParent(n.list[i], s); err != nil || s.level <= 0 {
				return s, err
			}
		}
	default:
		return nil, noParent(n)
	}
	return s, nil
}

// resolveAncestry looks among the steps of the path for the parents that its last step seeks.
func resolveAncestry(path *ast) *Error {
	last := path.lastStep()
	slots := append([]*slot(nil), last.seeking...)
	if last.kind == aParent {
		slots = append(slots, last.slot)
	}
	for _, s := range slots {
		i := len(path.list) - 2
		for s.level > 0 {
			if i < 0 {
				path.seeking = append(path.seeking, s)
				break
			}
			step := path.list[i]
			i--
			// Steps that only bind a variable keep the context: they count as one.
			for i >= 0 && step.focus != "" && path.list[i].focus != "" {
				step = path.list[i]
				i--
			}
			var err *Error
			if s, err = seekParent(step, s); err != nil {
				return err
			}
		}
	}
	return nil
}
