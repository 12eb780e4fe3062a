# Writes the man pages of section 3 into the folder `dir` (with a `version` and a `date`), out of include/eintr.h, so that nothing is said twice. Its first comment is
# eintr(3); each heading `Word: what is in it` begins the page eintr_word(3), and each function there has a page that leads to it.

# Without the mark of what is not to be dropped.
{ if (marked && /^ /) $0 = substr($0, 17); else marked = sub(/^EINTR_NODISCARD /, ""); line[NR] = $0 }

function out(text) { body = body text "\n" }

# What troff would take for its own; hyphens in code are minus signs.
function escaped(text) { gsub(/\\/, "\\e", text); return text ~ /^[.']/ ? "\\&" text : text }
function code(text) { text = escaped(text); gsub(/-/, "\\-", text); return text }
function bold(text) { return "\\fB" code(text) "\\fR" }

# Reads the comment that begins at line `at` into `text`, without its stars; the line after it.
function read_comment(at,    here, is_last) {
    lines = 0
    for (is_last = 0; !is_last; at++) {
        here = line[at]
        is_last = sub(/ *\*\/$/, "", here)
        sub(/^( \*|\/\*) ?/, "", here)
        if (here != "" || lines) text[++lines] = here
    }
    while (lines && text[lines] == "") lines--
    text[lines + 1] = ""
    return at
}

# The pages that are named in the text, each once, for the end of this one.
function see_also(text,    other) {
    for (; match(text, /[a-z_0-9.-]+\([0-9]\)/); text = substr(text, RSTART + RLENGTH)) {
        other = ".BR " code(substr(text, RSTART, RLENGTH - 3)) " " substr(text, RSTART + RLENGTH - 3, 3)
        if (!index(others ",", other ",")) others = others ",\n" other
    }
}

# That of the system's call which the function stands for.
function plain_page(text) {
    sub(/^eintr_/, "", text); sub(/^futex_.*/, "futex", text); sub(/_lock$/, "", text)
    return text (text ~ /^(mq_|sigwait$|tcdrain|usleep)/ ? "(3)" : "(2)")
}

# Paragraphs; examples (four blanks before); lists (`-`, `[ ]`); headings (a line by itself that ends in a letter).
function tell(first,    i, here, mode, before) {
    before = "paragraph"
    for (i = first; i <= lines; i++) {
        here = text[i]
        if (here ~ /^See also /) { see_also(here); continue }
        if (here == "") {
            if (mode == "example" && text[i + 1] ~ /^    /) out("")
            else { if (mode == "example") out(".EE\n.RE"); if (mode != "item" || text[i + 1] !~ /^ /) mode = "" }
            continue
        }
        if (here ~ /^ *(-|\[ \]) /) {
            mode = "item"
            out(here ~ /^ *-/ ? ".IP \\(bu 2" : ".IP \"[ ]\" 4")
            sub(/^ *(-|\[ \]) /, "", here)
        } else if (mode == "" && here ~ /^    /) {
            mode = "example"
            out(".PP\n.RS 4\n.EX")
        } else if (mode == "" && here ~ /[a-z]$/ && text[i - 1] text[i + 1] == "") {
            out(".SS " here)
            continue
        } else if (mode == "") {
            mode = "paragraph"
            if (i > first) out(".PP")
        }
        if (mode == "example") { out(code(substr(here, 5))); continue }
        sub(/^ +/, "", here)
        out(escaped(here))
    }
    if (mode == "example") out(".EE\n.RE")
}

function write_page(name, names, what, synopsis,    page, i) {
    sub(/^(\.PP\n)+/, "", body)
    page = dir "/" name ".3"
    printf ".\\\" Made of eintr.h by man.awk.\n.TH %s 3 \"%s\" \"eintr %s\"\n.SH NAME\n%s \\- %s\n", name, date, version, names, what > page
    printf ".SH LIBRARY\neintr (\\-leintr)\n.SH SYNOPSIS\n.nf\n.B #include <eintr.h>\n%s.fi\n.SH DESCRIPTION\n%s", synopsis, body > page
    for (i = 1; i <= families; i++)
        if (family[i] != name) see_also(family[i] "(3)")
    print ".SH SEE ALSO\n" substr(others, 3) > page
    close(page)
    body = others = ""
}

END {
    family[families = 1] = "eintr"
    for (at = 1; at <= NR; at++) {
        if (line[at] ~ /^\/\* ---- /) {
            heading = line[at]
            sub(/^\/\* ---- /, "", heading); sub(/ -+ \*\/$/, "", heading)
            split(heading, part, ": ")
            family[++families] = "eintr_" tolower(part[1])
            what[families] = part[2]
            begins[families] = at + 1
        }
        if (line[at] ~ /^#ifdef __cplusplus/) begins[families + 1] = at
    }

    read_comment(1)
    sub(/^eintr: /, "", text[1]); sub(/\.$/, "", text[1])
    summary = text[1]
    tell(2)
    write_page("eintr", "eintr", summary, "")

    for (f = 2; f <= families; f++) {
        names = ""
        synopsis = ""
        for (at = begins[f]; at < begins[f + 1] && line[at] !~ /^\/\* ----/; ) {
            if (line[at] == "" || line[at] ~ /^#(if|endif)/) { at++; continue }
            lines = 0
            if (line[at] ~ /^\/\*/) at = read_comment(at)
            declared = 0
            for (; line[at] != "" && line[at] !~ /^(\/\*|#if|#endif)/; at++) {
                if (!declared++) out(".PP\n.nf")
                out(bold(line[at]))
                if (match(line[at], /eintr_[a-z_0-9]+\(/) && line[at] ~ /^[a-z].*(;|,)$/) {
                    function_name = substr(line[at], RSTART, RLENGTH - 1)
                    names = names (names == "" ? "" : ", ") function_name
                    link = dir "/" function_name ".3"
                    if (function_name != family[f]) printf ".so man3/%s.3\n", family[f] > link
                    close(link)
                    if (family[f] == "eintr_calls") see_also(plain_page(function_name))
                    is_function = 1
                }
                if (line[at] ~ /^[a-z].*\(/ || (is_function && line[at] ~ /^ /)) synopsis = synopsis bold(line[at]) "\n"
                if (line[at] ~ /;$/) is_function = 0
            }
            if (declared) out(".fi")
            if (lines && declared) out(".RS 4")
            else if (lines) out(".PP")
            tell(1)
            if (lines && declared) out(".RE")
        }
        write_page(family[f], names, what[f], synopsis)
    }
}
