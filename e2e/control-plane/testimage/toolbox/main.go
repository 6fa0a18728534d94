// Toolbox is all there is in the harness's container images: one static program that is whatever
// the name it is called by, or else its first argument, says.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// tools take the arguments behind their own name and give the exit status.
var tools map[string]func(args []string) int

func init() {
	// Not where it is declared, for sh runs the others.
	tools = map[string]func(args []string) int{
		"bytes": bytesOut,
		"cat":   cat,
		"count": count,
		"echo":  echo,
		"exit":  exit,
		"hash":  hash,
		"lines": lines,
		"pause": pause,
		"serve": serve,
		"sh":    sh,
		"sleep": sleep,
		"tar":   tarTool,
		"test":  test,
		"tty":   tty,
		"warn":  warn,
		"write": write,
	}
}

func main() {
	args := os.Args
	args[0] = filepath.Base(args[0])
	if args[0] == "toolbox" {
		args = args[1:]
	}
	if len(args) == 0 {
		os.Exit(fail("which tool?"))
	}
	os.Exit(run(args))
}

func run(args []string) int {
	tool, known := tools[args[0]]
	if !known {
		return fail("no such tool: %s", args[0])
	}
	return tool(args[1:])
}

// fail says why on stderr; 125 is no status that a journey asks for.
func fail(format string, values ...any) int {
	fmt.Fprintf(os.Stderr, "toolbox: "+format+"\n", values...)
	return 125
}
