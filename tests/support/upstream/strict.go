//go:build ignore

// Reads files as livekit-server does when it starts: by its own parser, which takes no key that it does not know.
package main

import (
	"fmt"
	"os"

	"github.com/livekit/livekit-server/pkg/config"
)

func main() {
	status := 0
	for _, name := range os.Args[1:] {
		text, err := os.ReadFile(name)
		if err == nil {
			_, err = config.NewConfig(string(text), true, nil, nil)
		}
		if err != nil {
			fmt.Printf("%s: %v\n", name, err)
			status = 1
		}
	}
	os.Exit(status)
}
