package main

import (
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// The scripts ask the command itself, so that they never fall behind it. Where it has nothing
// to offer a shell completes the names of files.
var completions = map[string]string{
	"bash": `# In ~/.bashrc: source <(holdfast completion bash)
_holdfast() {
	local word
	COMPREPLY=()
	while IFS= read -r word; do
		COMPREPLY+=("$word")
	done < <(holdfast complete-words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _holdfast holdfast
`,
	"zsh": `#compdef holdfast
# In ~/.zshrc, after compinit: source <(holdfast completion zsh)
_holdfast() {
	local -a found
	found=("${(@f)$(holdfast complete-words --help-too -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n "${found[1]}" ]]; then
		_describe -t commands holdfast found
	else
		_files
	fi
}
compdef _holdfast holdfast
`,
	"fish": `# In ~/.config/fish/config.fish: holdfast completion fish | source
function __holdfast
	set -l words (commandline -opc) (commandline -ct)
	holdfast complete-words --help-too --tab -- $words[2..-1] 2>/dev/null
end
complete -c holdfast -a '(__holdfast)'
`,
}

// Run prints the script.
func (c *completionCommand) Run(stdout io.Writer) error {
	_, err := io.WriteString(stdout, completions[c.Shell])
	return err
}

// completeCommand is what the scripts call.
type completeCommand struct {
	HelpToo bool     `help:"What each word is for, too."`
	Tab     bool     `help:"A tab in front of that, and not a colon."`
	Words   []string `arg:"" optional:"" passthrough:"" help:"The words of the command line behind the command's name, the unfinished one too."`
}

// Run prints a word a line.
func (c *completeCommand) Run(stdout io.Writer, app *kong.Kong) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	var text strings.Builder
	for _, o := range complete(app.Model.Node, words) {
		switch {
		case !c.HelpToo || o.help == "":
			text.WriteString(o.word)
		case c.Tab:
			text.WriteString(o.word + "\t" + o.help)
		default:
			text.WriteString(strings.ReplaceAll(o.word, ":", `\:`) + ":" + o.help)
		}
		text.WriteByte('\n')
	}
	_, err := io.WriteString(stdout, text.String())
	return err
}

// offer is a word that may come next.
type offer struct{ word, help string }

// place is where the last word of a command line stands.
type place struct {
	node      *kong.Node // the command
	arguments int        // in front of the word
	wants     *kong.Flag // whose value the word is; nil: it is none
}

// placeBehind goes through the words in front of the last one.
func placeBehind(node *kong.Node, words []string) place {
	at := place{node: node}
	for _, word := range words {
		below := childOf(at.node, word)
		switch {
		case at.wants != nil:
			at.wants = nil
		case strings.HasPrefix(word, "-"):
			at.wants = flagOf(at.node, word)
		case below != nil:
			at.node, at.arguments = below, 0
		default:
			at.arguments++
		}
	}
	return at
}

// offers returns what may come at a place.
func (at place) offers() (all []offer) {
	words := func(v *kong.Value) (all []offer) {
		for _, word := range enumOf(v) {
			all = append(all, offer{word: word})
		}
		return all
	}
	if at.wants != nil {
		return words(at.wants.Value)
	}
	for _, child := range at.node.Children {
		if !child.Hidden {
			all = append(all, offer{child.Name, child.Help})
		}
	}
	if at.arguments < len(at.node.Positional) {
		all = append(all, words(at.node.Positional[at.arguments])...)
	}
	return all
}

// complete returns what may come in the place of the last of words, on a command line whose
// commands are those below node.
func complete(node *kong.Node, words []string) (all []offer) {
	last := ""
	if n := len(words) - 1; n >= 0 {
		words, last = words[:n], words[n]
	}
	at := placeBehind(node, words)
	offers := at.offers()
	if at.wants == nil && strings.HasPrefix(last, "-") {
		for _, flag := range flagsOf(at.node) {
			offers = append(offers, offer{"--" + flag.Name, flag.Help})
		}
	}
	for _, o := range offers {
		if strings.HasPrefix(o.word, last) {
			o.help, _, _ = strings.Cut(o.help, ". ")
			o.help = strings.TrimSuffix(o.help, ".")
			all = append(all, o)
		}
	}
	return all
}

func childOf(node *kong.Node, name string) *kong.Node {
	i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == name && n.Type == kong.CommandNode })
	if i < 0 {
		return nil
	}
	return node.Children[i]
}

// flagsOf returns the flags of a command and of those above it.
func flagsOf(node *kong.Node) (all []*kong.Flag) {
	for ; node != nil; node = node.Parent {
		for _, flag := range node.Flags {
			if !flag.Hidden {
				all = append(all, flag)
			}
		}
	}
	return all
}

// flagOf returns the flag of a word whose value is the next word, or nil.
func flagOf(node *kong.Node, word string) *kong.Flag {
	name := strings.TrimLeft(word, "-") // with "=" it is the name of none
	all := flagsOf(node)
	i := slices.IndexFunc(all, func(f *kong.Flag) bool { return f.Name == name && !f.IsBool() })
	if i < 0 {
		return nil
	}
	return all[i]
}

func enumOf(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return strings.Split(v.Enum, ",")
}
