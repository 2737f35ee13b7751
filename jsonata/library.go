package jsonata

// library holds the built-in functions.
var library = makeLibrary()

type builtin struct {
	name      string
	signature string
	params    int // declared parameters, which higher-order functions and partial application go by
	native    func(c *call, args []Value) (Value, *Error)
}

func makeLibrary() map[string]*function {
	lib := map[string]*function{}
	for _, list := range [][]builtin{numberFunctions, stringFunctions, arrayFunctions, objectFunctions, higherFunctions, timeFunctions} {
		for _, b := range list {
			lib[b.name] = &function{name: b.name, arity: b.params, sig: mustSignature(b.signature), native: b.native}
		}
	}
	return lib
}
