# The Tk window of fetch: one row per download, an animation, a Cancel button, a modal dialog. Knows nothing of the guest.
# The program supplies two commands, cancel_clicked and close_clicked, and calls the procedures below.

ttk::style theme use clam
ttk::style configure . -background #fafafa -foreground #2e3436 -font TkDefaultFont
font create Title {*}[font actual TkDefaultFont] -size 15 -weight bold
font create Name {*}[font actual TkDefaultFont] -weight bold
# Widgets outside ttk take sizes in points or pixels as they come: one size for all text.
foreach font {TkDefaultFont Name} {font configure $font -size 10}
ttk::style configure Title.TLabel -font Title
ttk::style configure Name.TLabel -font Name
ttk::style configure Dim.TLabel -foreground #6c7073
ttk::style configure Good.TLabel -foreground #1a7f4b
ttk::style configure Bad.TLabel -foreground #c01c28
foreach {style colour} {Running #3584e4 Good #2ec27e Bad #e01b24} {
    ttk::style layout $style.Horizontal.TProgressbar [ttk::style layout Horizontal.TProgressbar]
    ttk::style configure $style.Horizontal.TProgressbar -thickness 9 -troughcolor #e2e2e2 -bordercolor #d0d0d0 \
        -background $colour -lightcolor $colour -darkcolor $colour
}

namespace eval window {
    variable running 1 last 0 gap 0 frames 0 answer {}
    variable dots 12
}

proc window::make {urls} {
    variable dots
    set count [llength $urls]
    wm title . "fetch: downloads in a Tk main loop"
    wm protocol . WM_DELETE_WINDOW close_clicked
    . configure -background #fafafa
    pack [ttk::frame .page -padding 18] -fill both -expand 1
    grid columnconfigure .page 1 -weight 1
    canvas .page.animation -width 48 -height 48 -background #fafafa -highlightthickness 0
    for {set i 0} {$i < $dots} {incr i} {
        set angle [expr {2 * 3.14159265 * $i / $dots}]
        set x [expr {24 + 18 * sin($angle)}]
        set y [expr {24 - 18 * cos($angle)}]
        .page.animation create oval [expr {$x - 4}] [expr {$y - 4}] [expr {$x + 4}] [expr {$y + 4}] \
            -width 0 -fill #3584e4 -tags dot$i
    }
    ttk::frame .page.words
    ttk::label .page.words.title -style Title.TLabel -text "Downloading $count file[expr {$count == 1 ? "" : "s"}]"
    ttk::label .page.words.summary -style Dim.TLabel
    pack .page.words.title .page.words.summary -anchor w
    ttk::button .page.cancel -text "Cancel …" -command cancel_clicked
    grid .page.animation .page.words .page.cancel -padx {0 16} -sticky w
    grid configure .page.cancel -padx 0 -sticky e
    ttk::frame .page.rows
    grid .page.rows - - -sticky nsew -pady {12 0}
    grid columnconfigure .page.rows 1 -weight 1
    for {set i 0} {$i < $count} {incr i} {
        set url [lindex [split [lindex $urls $i] #] 0]
        ttk::label .page.rows.name$i -style Name.TLabel -text [fit $url Name 330]
        ttk::label .page.rows.status$i -style Dim.TLabel -text "waiting for the server" -anchor e
        ttk::progressbar .page.rows.bar$i -style Running.Horizontal.TProgressbar -maximum 1 -length 684
        grid .page.rows.name$i .page.rows.status$i -sticky ew -pady {6 3}
        grid .page.rows.bar$i - -sticky ew -pady {0 6}
    }
    tick
}

# The text, shortened in the middle to that many pixels.
proc window::fit {text font pixels} {
    set keep [string length $text]
    set shown $text
    while {[font measure $font $shown] > $pixels} {
        incr keep -1
        set shown [string range $text 0 [expr {$keep / 2 - 1}]]…[string range $text end-[expr {($keep - 1) / 2}] end]
    }
    return $shown
}

# One frame of the animation: a ring of dots that turns once in 1.2 s. The gaps between frames are the proof that the host's
# loop is never held up.
proc window::tick {} {
    variable running
    variable last
    variable gap
    variable frames
    variable dots
    if {!$running} return
    set now [clock microseconds]
    if {$last && $now - $last > $gap} {set gap [expr {$now - $last}]}
    set last $now
    incr frames
    set turn [expr {$now % 1200000 / 1200000.0}]
    for {set i 0} {$i < $dots} {incr i} {
        set age [expr {fmod($turn - double($i) / $dots + 1, 1)}]
        set strength [expr {0.12 + 0.88 * (1 - $age) ** 2}]
        .page.animation itemconfigure dot$i -fill [format #%02x%02x%02x [expr {int(250 - (250 - 53) * $strength)}] \
            [expr {int(250 - (250 - 132) * $strength)}] [expr {int(250 - (250 - 228) * $strength)}]]
    }
    after 16 window::tick
}

# share: 0 to 1, or negative while nobody knows how much is to come.
proc window::progress {index share text} {
    .page.rows.status$index configure -text [fit $text TkDefaultFont 345]
    if {$share >= 0} {
        .page.rows.bar$index configure -mode determinate -value $share
    } else {
        .page.rows.bar$index configure -mode indeterminate
        .page.rows.bar$index step 0.02
    }
}

proc window::finished {index ok share text} {
    set style [expr {$ok ? "Good" : "Bad"}]
    progress $index [expr {max(0, $share)}] $text
    .page.rows.status$index configure -style $style.TLabel
    .page.rows.bar$index configure -style $style.Horizontal.TProgressbar
}

proc window::summary {text downloads} {
    variable running
    .page.words.summary configure -text $text
    if {$downloads || !$running} return
    set running 0
    .page.words.title configure -text "Finished"
    .page.cancel state disabled
}

# A modal dialog: grabs the input and runs a nested event loop until it is answered.
proc window::ask {title text} {
    variable answer
    set answer {}
    toplevel .ask -background #fafafa
    wm title .ask $title
    wm transient .ask .
    wm resizable .ask 0 0
    wm protocol .ask WM_DELETE_WINDOW {window::answer 0}
    pack [ttk::frame .ask.page -padding 18 -relief solid -borderwidth 1]
    ttk::label .ask.page.title -style Title.TLabel -text $title
    ttk::label .ask.page.text -text $text
    ttk::button .ask.page.no -text "Keep downloading" -command {window::answer 0}
    ttk::button .ask.page.yes -text "Cancel downloads" -command {window::answer 1}
    pack .ask.page.title .ask.page.text -anchor w -pady {0 12}
    pack .ask.page.yes .ask.page.no -side right -padx {12 0}
    bind .ask <Escape> {window::answer 0}
    update idletasks
    set x [expr {[winfo rootx .] + ([winfo width .] - [winfo reqwidth .ask.page]) / 2}]
    set y [expr {[winfo rooty .] + 60}]
    wm geometry .ask +$x+$y
    tkwait visibility .ask
    if {$answer eq {}} {
        grab .ask
        focus .ask.page.no
        vwait window::answer
    }
    destroy .ask
    return $answer
}

proc window::answer {yes} {
    variable answer $yes
}

# Milliseconds of the longest gap between two frames, and their number.
proc window::longest_gap {} {
    variable gap
    variable frames
    return [list [expr {$gap / 1000.0}] $frames]
}
