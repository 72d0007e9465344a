//! Finds the blocks of a page that somebody is meant to type.

/// Who runs a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Runs<'a> {
    /// These, one after the other.
    By(Vec<&'a str>),
    /// CI itself.
    InCi,
    /// Nobody, for a reason that is given.
    Not,
    /// It is not said.
    Unknown,
}

/// A part of a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block<'a> {
    /// Commands.
    Shell { runs: Runs<'a>, script: &'a str },
    /// A file of the scientist's.
    File { name: &'a str, text: &'a str },
}

/// Returns the blocks of a page in their order.
pub(crate) fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut comment) = (page, "");
    while let Some(line) = rest.split_inclusive('\n').next() {
        let after = &rest[line.len()..];
        let text = line.trim();
        if let Some(begun) = text.strip_prefix("<!-- behind the scenes, ") {
            let (script, tail) = after.split_once("-->").unwrap_or((after, ""));
            let runs = runs_of(begun.trim_end_matches(':'));
            found.push(Block::Shell { runs, script });
            (rest, comment) = (tail, "");
            continue;
        }
        if let Some(language) = text.strip_prefix("```") {
            let (body, tail) = after.split_once("```").unwrap_or((after, ""));
            match language {
                "sh" => found.push(Block::Shell { runs: runs_of(comment), script: body }),
                "python" => found.extend(file(body)),
                _ => {}
            }
            (rest, comment) = (tail, "");
            continue;
        }
        if let Some(inside) = text.strip_prefix("<!--") {
            comment = inside.trim_end_matches("-->").trim();
        } else if !text.is_empty() {
            comment = "";
        }
        rest = after;
    }
    found
}

fn runs_of(comment: &str) -> Runs<'_> {
    if comment == "in .ci/run" {
        return Runs::InCi;
    }
    if comment.strip_prefix("not run: ").is_some_and(|reason| !reason.is_empty()) {
        return Runs::Not;
    }
    let people: Vec<&str> = comment.split(',').map(str::trim).collect();
    let known = |who: &&str| ["owner", "scientist", "server", "admin"].contains(who);
    if people.iter().all(known) { Runs::By(people) } else { Runs::Unknown }
}

fn file(body: &str) -> Option<Block<'_>> {
    let name = body.strip_prefix("# ")?.split(':').next()?;
    name.ends_with(".py").then_some(Block::File { name, text: body })
}

#[test]
fn the_blocks_of_a_page() {
    let page = "a\n<!-- owner, scientist -->\n```sh\nx\ny\n```\n\n```sh\nz\n```\n\
        <!-- not run: it costs -->\n```sh\nw\n```\n<!-- behind the scenes, owner:\nq\n-->\n\
        ```python\n# a.py: b\nc\n```\n<!-- owner -->\ntext\n```sh\nv\n```\n";
    let shell = |runs, script| Block::Shell { runs, script };
    let expected = vec![
        shell(Runs::By(vec!["owner", "scientist"]), "x\ny\n"),
        shell(Runs::Unknown, "z\n"),
        shell(Runs::Not, "w\n"),
        shell(Runs::By(vec!["owner"]), "q\n"),
        Block::File { name: "a.py", text: "# a.py: b\nc\n" },
        shell(Runs::Unknown, "v\n"),
    ];
    assert_eq!(blocks(page), expected);
}
