# ---- what the tables above mean; all of this file is made by `clade completion bash` ----

# Files whose names end in $1, and directories; all files if that is empty.
_clade_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t replies < <(
        compgen -f -X "!*$1" -- "$word"
        [[ -z $1 ]] || compgen -d -- "$word"
    )
}

# SECTION.KEY=VALUE, or devices.KEY=VALUE.
_clade_setting() {
    local section=${1%%.*} key=${word%%=*} words
    [[ $section == SECTION ]] && section='*'
    if [[ $word != *=* ]]; then
        compopt -o nospace 2>/dev/null
        mapfile -t replies < <(compgen -S = -X "!$section.*" -W "$_clade_settings" -- "$word")
        return
    fi
    words=$(_clade_setting_words "$key")
    if [[ $words == FILE ]]; then
        word=${word#*=} _clade_files ''
    else
        mapfile -t replies < <(compgen -W "$words" -- "${word#*=}")
    fi
    replies=("${replies[@]/#/$key=}")
}

# What stands in the manual for something to type.
_clade_value() {
    local all=() part
    case $1 in
    '' | *...) ;;
    *.KEY=VALUE) _clade_setting "$1" ;;
    *'|'*)
        for part in ${1//|/ }; do
            replies=()
            _clade_value "$part"
            all+=("${replies[@]}")
        done
        replies=("${all[@]}")
        ;;
    DIR)
        compopt -o filenames 2>/dev/null
        mapfile -t replies < <(compgen -d -- "$word")
        ;;
    WEIGHTS | MODEL) _clade_files .safetensors ;;
    FILE | IMAGES | PATH) _clade_files '' ;;
    *.*) _clade_files ".${1##*.}" ;;
    *[[:upper:]]*) mapfile -t replies < <(compgen -W "$(_clade_known_values "$1")" -- "$word") ;;
    *) mapfile -t replies < <(compgen -W "$1" -- "$word") ;;
    esac
}

_clade() {
    local words=() word command option value='' operand=0 replies=() i
    COMPREPLY=()
    # bash breaks words at "=" and ":"; here they are whole.
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if ((${#words[@]} > 1)) && [[ $word == [=:]* || (-n $word && ${words[-1]} == *[=:]) ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    word=${words[-1]}
    unset 'words[-1]'
    command=${words[1]-}
    if [[ -z $command || ($command == help && ${#words[@]} -eq 2) ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$_clade_commands --help --version" -- "$word")
        return
    fi
    for ((i = 2; i < ${#words[@]}; i++)); do
        option=${words[i]}
        if [[ $option != --* ]]; then
            operand=$((operand + 1))
        elif [[ $option != *=* && -n $(_clade_option_value "$command $option") ]]; then
            i=$((i + 1))
            ((i == ${#words[@]})) && value=$(_clade_option_value "$command $option")
        fi
    done
    if [[ -n $value ]]; then
        _clade_value "$value"
    elif [[ $word == --*=* ]]; then
        option=${word%%=*}
        value=$(_clade_option_value "$command $option")
        word=${word#*=}
        _clade_value "$value"
        word=$option=$word
        replies=("${replies[@]/#/$option=}")
    elif [[ $word == -* ]]; then
        mapfile -t replies < <(compgen -W "$(_clade_options "$command")" -- "$word")
    else
        _clade_value "$(_clade_operand "$command $operand")"
    fi
    # readline replaces only what follows the last character at which it breaks words.
    for i in = :; do
        [[ $COMP_WORDBREAKS == *"$i"* && $word == *"$i"* ]] &&
            replies=("${replies[@]#"${word%"${word##*"$i"}"}"}")
    done
    ((${#replies[@]})) && COMPREPLY=("${replies[@]}")
}
complete -F _clade clade
