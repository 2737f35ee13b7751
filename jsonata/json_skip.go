package jsonata

// skip moves over a value that nobody needs: it only has to be JSON, and no deeper than others.
func (r *reader) skip() error {
	r.space()
	if r.at >= len(r.src) {
		return r.unexpected()
	}
	switch c := r.src[r.at]; {
	case c == '"':
		return r.skipString()
	case c == '{':
		return r.skipAll('}', true)
	case c == '[':
		return r.skipAll(']', false)
	case c == '-' || c >= '0' && c <= '9':
		_, err := r.scanNumber()
		return err
	case c == 't':
		return r.word("true")
	case c == 'f':
		return r.word("false")
	case c == 'n':
		return r.word("null")
	}
	return r.unexpected()
}

// skipAll moves over an array or an object.
func (r *reader) skipAll(end byte, keys bool) error {
	if err := r.enter(); err != nil {
		return err
	}
	if r.empty(end) {
		return nil
	}
	for more := true; more; {
		if keys {
			if err := r.skipKey(); err != nil {
				return err
			}
		}
		err := r.skip()
		if err == nil {
			more, err = r.next(end)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) skipKey() error {
	if r.space(); r.at >= len(r.src) || r.src[r.at] != '"' {
		return r.unexpected()
	}
	if err := r.skipString(); err != nil {
		return err
	}
	if r.space(); r.at >= len(r.src) || r.src[r.at] != ':' {
		return r.unexpected()
	}
	r.at++
	return nil
}

func (r *reader) skipString() error {
	for r.at++; r.at < len(r.src); r.at++ {
		switch c := r.src[r.at]; {
		case c == '"':
			r.at++
			return nil
		case c == '\\':
			_, size := escape(r.src[r.at:])
			if size == 0 {
				r.at = min(r.at+1, len(r.src))
				return r.unexpected()
			}
			r.at += size - 1
		case c < ' ':
			return r.unexpected()
		}
	}
	return r.unexpected()
}
