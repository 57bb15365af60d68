//go:build ignore

// Prints what a program of LiveKit reads from its YAML: each key with its type, from the structs in its source.
//
//	go run keys.go [-with MODULE=DIRECTORY|VERSION]... DIRECTORY PACKAGE TYPE
//
// DIRECTORY has the module's go.mod, PACKAGE is a directory in it. Modules that it requires are fetched when one of their
// structs is met; -with puts another directory or version in the place of one that cannot be had. Nothing is compiled:
// what a program links to does not matter here. Keys are those of gopkg.in/yaml.v3: by tag, or the field in small letters.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// A type is written in a file, whose imports say what a qualifier means.
type scope struct {
	*source
	file *ast.File
}

// A package's types by name, the file of each, and which of them read YAML themselves.
type source struct {
	path  string // of the import
	types map[string]*ast.TypeSpec
	files map[string]*ast.File
	own   map[string]bool
}

type reader struct {
	module, root string
	sums         string // a directory with the module's own go.mod and go.sum: by these what is fetched is checked
	versions     map[string]string
	with         map[string]string
	directories  map[string]string
	sources      map[string]*source
	keys         map[string]string
}

// Types that read themselves, or whose inside is another language's.
var named = map[string]string{
	"time.Duration":       "duration",
	"rtcconfig.PortRange": "ports",
	"rtcconfig.NodeIP":    "text",
}

func main() {
	r := &reader{
		versions: map[string]string{}, with: map[string]string{}, directories: map[string]string{},
		sources: map[string]*source{}, keys: map[string]string{},
	}
	flag.Func("with", "MODULE=DIRECTORY or MODULE=VERSION", func(said string) error {
		module, instead, _ := strings.Cut(said, "=")
		r.with[module] = instead
		return nil
	})
	flag.Parse()
	r.root = flag.Arg(0)
	r.requirements()
	defer os.RemoveAll(r.sums)
	start := r.source(r.module + "/" + flag.Arg(1))
	r.value("", scope{start, nil}, ast.NewIdent(flag.Arg(2)))
	names := make([]string, 0, len(r.keys))
	for name := range r.keys {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("%s\t%s\n", name, r.keys[name])
	}
}

func stop(words ...any) {
	fmt.Fprintln(os.Stderr, words...)
	os.Exit(1)
}

// requirements reads the module's name and the versions that it requires.
func (r *reader) requirements() {
	r.sums, _ = os.MkdirTemp("", "keys")
	for _, name := range []string{"go.mod", "go.sum"} {
		content, _ := os.ReadFile(filepath.Join(r.root, name))
		_ = os.WriteFile(filepath.Join(r.sums, name), content, 0o600)
	}
	said, err := r.run("go", "mod", "edit", "-json")
	var file struct {
		Module  struct{ Path string }
		Require []struct{ Path, Version string }
	}
	if err == nil {
		err = json.Unmarshal(said, &file)
	}
	if err != nil {
		stop(err)
	}
	r.module, r.directories[file.Module.Path] = file.Module.Path, r.root
	for _, each := range file.Require {
		r.versions[each.Path] = each.Version
	}
}

// directory finds where the package of an import path is.
func (r *reader) directory(path string) string {
	for module := path; module != "."; module = filepath.Dir(module) {
		if r.directories[module] == "" && r.versions[module] != "" {
			r.directories[module] = r.fetched(module, r.versions[module])
		}
		if found := r.directories[module]; found != "" {
			return filepath.Join(found, strings.TrimPrefix(path, module))
		}
	}
	stop("no module has", path)
	return ""
}

func (r *reader) fetched(module, version string) string {
	if instead := r.with[module]; strings.HasPrefix(instead, "/") {
		return instead
	} else if instead != "" {
		version = instead
	}
	said, err := r.run("go", "mod", "download", "-json", module+"@"+version)
	var found struct{ Dir, Error string }
	if json.Unmarshal(said, &found) != nil || found.Dir == "" {
		stop(module, version, err, found.Error)
	}
	return found.Dir
}

func (r *reader) run(words ...string) ([]byte, error) {
	command := exec.Command(words[0], words[1:]...)
	command.Dir = r.sums
	return command.Output()
}

func (r *reader) source(path string) *source {
	if found := r.sources[path]; found != nil {
		return found
	}
	made := &source{path, map[string]*ast.TypeSpec{}, map[string]*ast.File{}, map[string]bool{}}
	r.sources[path] = made
	names, _ := filepath.Glob(filepath.Join(r.directory(path), "*.go"))
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			stop(err)
		}
		for _, each := range file.Decls {
			switch each := each.(type) {
			case *ast.GenDecl:
				for _, spec := range each.Specs {
					if spec, ok := spec.(*ast.TypeSpec); ok {
						made.types[spec.Name.Name], made.files[spec.Name.Name] = spec, file
					}
				}
			case *ast.FuncDecl:
				if each.Name.Name == "UnmarshalYAML" && each.Recv != nil {
					made.own[strings.TrimPrefix(text(each.Recv.List[0].Type), "*")] = true
				}
			}
		}
	}
	return made
}

func text(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name
	case *ast.StarExpr:
		return "*" + text(of.X)
	case *ast.SelectorExpr:
		return text(of.X) + "." + of.Sel.Name
	}
	return ""
}

func (r *reader) structure(at string, in scope, of *ast.StructType) {
	if at != "" && len(of.Fields.List) == 0 {
		r.keys[at] = "block"
	}
	for _, field := range of.Fields.List {
		tag := ""
		if field.Tag != nil {
			said, _ := strconv.Unquote(field.Tag.Value)
			tag = reflect.StructTag(said).Get("yaml")
		}
		key, flags, _ := strings.Cut(tag, ",")
		names := []string{""}
		if len(field.Names) > 0 {
			names = nil
			for _, name := range field.Names {
				names = append(names, name.Name)
			}
		} else if dotted := strings.TrimPrefix(text(field.Type), "*"); true {
			names[0] = dotted[strings.LastIndex(dotted, ".")+1:]
		}
		for _, name := range names {
			switch {
			case key == "-" || !ast.IsExported(name):
			case flags == "inline":
				r.value(at, in, field.Type)
			case key != "":
				r.value(below(at, key), in, field.Type)
			default:
				r.value(below(at, strings.ToLower(name)), in, field.Type)
			}
		}
	}
}

func below(at, key string) string { return strings.TrimPrefix(at+"."+key, ".") }

var basic = map[string]string{
	"bool": "bool", "string": "text", "any": "any", "float32": "float", "float64": "float", "int": "int", "int64": "int",
	"int8": "int8", "int16": "int16", "int32": "int32", "uint8": "uint8", "uint16": "uint16", "uint32": "uint32",
	"uint": "uint64", "uint64": "uint64",
}

// value records what a field of this type takes, or goes into it.
func (r *reader) value(at string, in scope, of ast.Expr) {
	switch of := of.(type) {
	case *ast.StarExpr:
		r.value(at, in, of.X)
	case *ast.StructType:
		r.structure(at, in, of)
	case *ast.InterfaceType:
		r.keys[at] = "any"
	case *ast.ArrayType:
		r.value(at+"[]", in, of.Elt)
	case *ast.MapType:
		r.value(at+".*", in, of.Value)
	case *ast.Ident:
		if in.own[of.Name] {
			if r.keys[at] = named[filepath.Base(in.path)+"."+of.Name]; r.keys[at] == "" {
				r.keys[at] = "any"
			}
		} else if spec := in.types[of.Name]; spec != nil {
			r.value(at, scope{in.source, in.files[of.Name]}, spec.Type)
		} else if r.keys[at] = basic[of.Name]; r.keys[at] == "" {
			stop(in.path, "has no type", of.Name)
		}
	case *ast.SelectorExpr:
		r.elsewhere(at, in, of)
	default:
		stop(at, "has a type that is not read here")
	}
}

func (r *reader) elsewhere(at string, in scope, of *ast.SelectorExpr) {
	qualifier := text(of.X)
	if kind := named[qualifier+"."+of.Sel.Name]; kind != "" {
		r.keys[at] = kind
		return
	}
	for _, each := range in.file.Imports {
		path, _ := strconv.Unquote(each.Path.Value)
		if (each.Name != nil && each.Name.Name == qualifier) || (each.Name == nil && filepath.Base(path) == qualifier) {
			r.value(at, scope{r.source(path), nil}, of.Sel)
			return
		}
	}
	stop(in.path, "imports no", qualifier)
}
