package jsonata

type astKind uint8

const (
	aEnd astKind = iota
	aName
	aString
	aNumber
	aValue
	aVariable
	aWildcard
	aDescendant
	aParent
	aRegex
	aPlaceholder // ? among the arguments of a partial application
	aOperator    // and, or, in where an operand stands: a name
	aBinary
	aNegate
	aArray
	aObject
	aBlock
	aCall
	aPartial
	aLambda
	aCondition
	aDefault  // ?:
	aCoalesce // ??
	aBind
	aApply
	aTransform
	aPath
	aSort
	aGrouped // left{...}, only until resolved
	aIndexed // left#$i, only until resolved
	aFocused // left@$v, only until resolved
	aFilter  // stage of a step
	aIndex   // stage of a step: bind the position
)

var astNames = [...]string{"end", "name", "string", "number", "value", "variable", "wildcard", "descendant", "parent", "regex",
	"placeholder", "operator", "binary", "unary", "array", "object", "block", "function", "partial", "lambda", "condition",
	"default", "coalesce", "bind", "apply", "transform", "path", "sort", "group", "index", "focus", "filter", "index"}

// slot is a place for the parent that a % asks for: level tells how many steps up it still is.
type slot struct {
	label string
	level int
	same  *slot // the slot that already names this step
}

// name is the variable under which the parent is found.
func (s *slot) name() string {
	for s.same != nil {
		s = s.same
	}
	return s.label
}

// term is one key of an order-by.
type term struct {
	expr *ast
	desc bool
}

// ast is a node of the syntax tree, both as parsed and as resolved.
type ast struct {
	kind       astKind
	text       string // name, operator, string, variable, regex pattern
	flags      string // of a regex
	num        float64
	start, pos int // UTF-16 units; pos is where the token ends

	lhs, rhs, third *ast // operands; condition: test, then, else; transform: pattern, update, delete
	list            []*ast
	pairs           [][2]*ast
	terms           []term
	sig             *signature

	// set by resolve
	predicate []*ast // filters of something that isn't a step
	stages    []*ast // filters and indexes of a step
	group     *ast   // aObject
	keepArray bool
	keepOne   bool // path: keep singleton arrays
	consArray bool
	focus     string
	index     string
	tuple     bool
	ancestor  *slot
	slot      *slot
	seeking   []*slot
	hint      string // name of the function that was probably meant
	tail      bool   // a call in tail position
}
