//go:build ignore

// Prints the metrics of a program of LiveKit: each name with its labels, from the calls in its source that make them.
//
//	go run metrics.go DIRECTORY...
//
// A line is NAME, a tab, and the labels with commas between them. NAME{LABEL} is followed by the values of a label that
// is only ever given as a literal, by position. Nothing is compiled.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

var maker = regexp.MustCompile(`^New(Counter|Gauge|Histogram|Summary)(Vec|Func)?$`)

type metric struct {
	name   string
	labels []string
	const_ int // labels of the metric itself, which come last
}

type reader struct {
	texts map[string]string   // constants
	lists map[string][]string // variables that are lists of texts
	found map[string]metric   // by the variable or field that it is kept in
	all   []metric
	given map[string]map[string]bool // NAME{LABEL} -> literals
	loose map[string]bool            // NAME{LABEL} that is given otherwise too
}

func main() {
	r := &reader{map[string]string{}, map[string][]string{}, map[string]metric{}, nil, map[string]map[string]bool{}, map[string]bool{}}
	var files []*ast.File
	for _, directory := range os.Args[1:] {
		packages, err := parser.ParseDir(token.NewFileSet(), directory, func(f os.FileInfo) bool {
			return !strings.HasSuffix(f.Name(), "_test.go")
		}, 0)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for _, p := range packages {
			for _, file := range p.Files {
				files = append(files, file)
			}
		}
	}
	for _, look := range []func(ast.Node) bool{r.names, r.makes, r.gives} {
		for _, file := range files {
			ast.Inspect(file, look)
		}
	}
	var lines []string
	for _, m := range r.all {
		lines = append(lines, m.name+"\t"+strings.Join(m.labels, ","))
	}
	for key, values := range r.given {
		if !r.loose[key] {
			var sorted []string
			for value := range values {
				sorted = append(sorted, value)
			}
			sort.Strings(sorted)
			lines = append(lines, key+"\t"+strings.Join(sorted, ","))
		}
	}
	sort.Strings(lines)
	fmt.Println(strings.Join(lines, "\n"))
}

// Constants, and lists that have a name.
func (r *reader) names(n ast.Node) bool {
	if v, ok := n.(*ast.ValueSpec); ok {
		for i, name := range v.Names {
			if i < len(v.Values) {
				if text, ok := r.text(v.Values[i]); ok {
					r.texts[name.Name] = text
				} else if list, ok := r.list(v.Values[i]); ok {
					r.lists[name.Name] = list
				}
			}
		}
	}
	return true
}

func (r *reader) makes(n ast.Node) bool {
	switch each := n.(type) {
	case *ast.AssignStmt:
		for i, right := range each.Rhs {
			if m, ok := r.metric(right); ok && i < len(each.Lhs) {
				r.found[last(each.Lhs[i])] = m
			}
		}
	case *ast.ValueSpec:
		for i, right := range each.Values {
			if m, ok := r.metric(right); ok && i < len(each.Names) {
				r.found[each.Names[i].Name] = m
			}
		}
	case *ast.CallExpr:
		if m, ok := r.metric(each); ok && maker.MatchString(last(each.Fun)) {
			r.all = append(r.all, m)
		}
	}
	return true
}

// A metric that is made here, or by a call within (mustRegister).
func (r *reader) metric(e ast.Expr) (metric, bool) {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return metric{}, false
	}
	if !maker.MatchString(last(call.Fun)) {
		for _, argument := range call.Args {
			if m, ok := r.metric(argument); ok {
				return m, true
			}
		}
		return metric{}, false
	}
	options, ok := call.Args[0].(*ast.CompositeLit)
	if !ok {
		return metric{}, false
	}
	var m metric
	part := map[string]string{}
	var own []string
	for _, element := range options.Elts {
		pair := element.(*ast.KeyValueExpr)
		key := last(pair.Key)
		if text, ok := r.text(pair.Value); ok {
			part[key] = text
		} else if labels, ok := pair.Value.(*ast.CompositeLit); ok && key == "ConstLabels" {
			for _, label := range labels.Elts {
				if text, ok := r.text(label.(*ast.KeyValueExpr).Key); ok {
					own = append(own, text)
				}
			}
		}
	}
	var words []string
	for _, key := range []string{"Namespace", "Subsystem", "Name"} {
		if part[key] != "" {
			words = append(words, part[key])
		}
	}
	m.name = strings.Join(words, "_")
	if len(call.Args) > 1 {
		m.labels, _ = r.list(call.Args[1])
	}
	m.labels, m.const_ = append(append([]string{}, m.labels...), own...), len(own)
	return m, true
}

// Values of labels: WithLabelValues("rtc_init", …).
func (r *reader) gives(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok || last(call.Fun) != "WithLabelValues" {
		return true
	}
	m, ok := r.found[last(call.Fun.(*ast.SelectorExpr).X)]
	if !ok {
		return true
	}
	for i, argument := range call.Args {
		if i >= len(m.labels)-m.const_ {
			break
		}
		key := m.name + "{" + m.labels[i] + "}"
		text, ok := r.text(argument)
		if !ok {
			r.loose[key] = true
			continue
		}
		if r.given[key] == nil {
			r.given[key] = map[string]bool{}
		}
		r.given[key][text] = true
	}
	return true
}

func (r *reader) text(e ast.Expr) (string, bool) {
	switch each := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(each.Value)
		return text, err == nil && each.Kind == token.STRING
	case *ast.Ident:
		text, ok := r.texts[each.Name]
		return text, ok
	}
	return "", false
}

func (r *reader) list(e ast.Expr) ([]string, bool) {
	switch each := e.(type) {
	case *ast.Ident:
		list, ok := r.lists[each.Name]
		return list, ok
	case *ast.CallExpr: // append(list, "one", "more")
		if last(each.Fun) != "append" {
			return nil, false
		}
		list, ok := r.list(each.Args[0])
		list = append([]string{}, list...)
		for _, more := range each.Args[1:] {
			text, is := r.text(more)
			ok = ok && is
			list = append(list, text)
		}
		return list, ok
	case *ast.CompositeLit:
		if array, ok := each.Type.(*ast.ArrayType); !ok || last(array.Elt) != "string" {
			return nil, false
		}
		list := []string{}
		for _, element := range each.Elts {
			text, ok := r.text(element)
			if !ok {
				return nil, false
			}
			list = append(list, text)
		}
		return list, true
	}
	return nil, false
}

// The last part of a name: Y of x.Y, and of x[T].Y.
func last(e ast.Expr) string {
	switch each := e.(type) {
	case *ast.Ident:
		return each.Name
	case *ast.SelectorExpr:
		return each.Sel.Name
	case *ast.IndexExpr:
		return last(each.X)
	}
	return ""
}
