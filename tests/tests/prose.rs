//! Documents use the field's standard terms: `tests/words.txt` lists words to avoid and their replacements, and no
//! document contains one of these words outside its code. Lines of documents wrap at 120 characters.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Folders whose documents are checked, relative to the root, and the extension of their files.
const DOCUMENTS: (&[&str], &str) = (&["."], "md");

/// Folders whose comments are checked.
const SOURCES: (&[&str], &str) = (
    &[
        "payout-core",
        "payout-adapters",
        "payout-app",
        "tests",
        "examples",
    ],
    "rs",
);

/// Folders that contain no text of this project.
const SKIPPED: &[&str] = &["target", "node_modules", "secrets"];

const LONGEST_LINE: usize = 120;

// ---------------------------------------------------------------- the list

struct Word {
    word: String,
    replacement: String,
}

#[derive(Default)]
struct Words {
    everywhere: Vec<Word>,
    summaries: Vec<Word>,
}

impl Words {
    fn read() -> Self {
        Self::parse(include_str!("../words.txt"))
    }

    fn parse(text: &str) -> Self {
        let mut words = Self::default();
        let mut is_summary = false;
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line {
                "[words]" => is_summary = false,
                "[summaries]" => is_summary = true,
                entry => {
                    let (word, replacement) = entry.split_once(" → ").unwrap();
                    let word = Word {
                        word: word.to_ascii_lowercase(),
                        replacement: replacement.to_owned(),
                    };
                    let list = if is_summary {
                        &mut words.summaries
                    } else {
                        &mut words.everywhere
                    };
                    list.push(word);
                }
            }
        }
        words
    }

    /// Finds every word of the list in a paragraph.
    fn problems_in(&self, paragraph: &Paragraph) -> Vec<Problem> {
        let text = paragraph.text.to_ascii_lowercase();
        let mut problems = Vec::new();
        for word in &self.everywhere {
            for (at, _) in text.match_indices(&word.word) {
                let end = at + word.word.len();
                if !is_within_a_word(&text, at, end) {
                    problems.push(Problem::new(paragraph.lines[at], word));
                }
            }
        }
        problems
    }

    /// Finds a wrong beginning of a doc comment's summary.
    fn problem_of_summary(&self, paragraph: &Paragraph) -> Option<Problem> {
        let text = paragraph.text.to_ascii_lowercase();
        let begins =
            |word: &&Word| text.starts_with(&word.word) && !is_within_a_word(&text, 0, word.word.len());
        let word = self.summaries.iter().find(begins)?;
        Some(Problem::new(*paragraph.lines.first()?, word))
    }
}

/// Returns whether the match is part of a longer word, with a letter or digit on either side.
fn is_within_a_word(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    before.is_some_and(char::is_alphanumeric) || after.is_some_and(char::is_alphanumeric)
}

struct Problem {
    line: usize,
    message: String,
}

impl Problem {
    fn new(line: usize, word: &Word) -> Self {
        let Word { word, replacement } = word;
        Self {
            line,
            message: format!("\"{word}\": write {replacement}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

// ---------------------------------------------------------------- prose

/// Consecutive lines of prose joined by spaces, with the line number of each byte.
#[derive(Default)]
struct Paragraph {
    text: String,
    lines: Vec<usize>,
}

impl Paragraph {
    fn push(&mut self, line: &str, number: usize) {
        for word in line.split_whitespace() {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(word);
            self.lines.resize(self.text.len(), number);
        }
    }

    /// Masks code spans and link targets byte by byte, so that line numbers stay right.
    fn without_code(mut self) -> Self {
        let mut is_code = false;
        let mut masked = String::with_capacity(self.text.len());
        for character in self.text.chars() {
            is_code ^= character == '`';
            if is_code || character == '`' {
                masked.extend(std::iter::repeat_n('_', character.len_utf8()));
            } else {
                masked.push(character);
            }
        }
        let mut from = 0;
        while let Some(start) = masked[from..].find("](").map(|at| from + at + 2) {
            let length = masked[start..].find(')').unwrap_or_default();
            masked.replace_range(start..start + length, &"_".repeat(length));
            from = start + length;
        }
        self.text = masked;
        self
    }
}

/// Splits numbered lines of Markdown into paragraphs, without code blocks and generated parts.
fn paragraphs<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<Paragraph> {
    let mut all = vec![Paragraph::default()];
    let (mut is_fenced, mut is_generated, mut is_after_blank) = (false, false, true);
    for (number, line) in lines {
        let text = line.trim();
        if text.starts_with("```") {
            is_fenced = !is_fenced;
        } else if text.starts_with("<!--") {
            is_generated = text.contains(": begin") || (is_generated && !text.contains(": end"));
        } else if !is_fenced && !is_generated {
            let is_code = line.starts_with("    ") && is_after_blank && !text.starts_with(['-', '*']);
            if text.is_empty() {
                is_after_blank = true;
                all.push(Paragraph::default());
            } else if !is_code {
                is_after_blank = false;
                // A table's row and the next one do not form a sentence together.
                if text.starts_with(['|', '#']) {
                    all.push(Paragraph::default());
                }
                all.last_mut().unwrap().push(line, number);
            }
        }
    }
    all.retain(|paragraph| !paragraph.text.is_empty());
    all.into_iter().map(Paragraph::without_code).collect()
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(nth, line)| (nth + 1, line))
}

/// Finds every problem of a document.
fn problems_of_document(text: &str, words: &Words) -> Vec<Problem> {
    let paragraphs = paragraphs(numbered(text));
    let mut problems: Vec<Problem> = paragraphs
        .iter()
        .flat_map(|paragraph| words.problems_in(paragraph))
        .collect();
    // The line numbers of prose, without tables and images.
    let mut prose: Vec<usize> = paragraphs
        .iter()
        .filter(|paragraph| !paragraph.text.starts_with(['|', '!']))
        .flat_map(|paragraph| paragraph.lines.iter().copied())
        .collect();
    prose.dedup();
    for (number, line) in numbered(text) {
        let length = line.chars().count();
        if length > LONGEST_LINE && prose.contains(&number) {
            problems.push(Problem {
                line: number,
                message: format!("{length} characters: wrap at {LONGEST_LINE}"),
            });
        }
    }
    problems
}

/// Finds every problem in the doc comments of a source file.
fn problems_of_source(text: &str, words: &Words) -> Vec<Problem> {
    let mut comments: Vec<Vec<(usize, &str)>> = vec![Vec::new()];
    for (number, line) in numbered(text) {
        let line = line.trim_start();
        let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        match comment {
            Some(comment) => comments.last_mut().unwrap().push((number, comment)),
            None => comments.push(Vec::new()),
        }
    }
    let mut problems = Vec::new();
    for comment in comments {
        let paragraphs = paragraphs(comment.into_iter());
        let summary = paragraphs.first();
        problems.extend(summary.and_then(|summary| words.problem_of_summary(summary)));
        problems.extend(
            paragraphs
                .iter()
                .flat_map(|paragraph| words.problems_in(paragraph)),
        );
    }
    problems
}

// ---------------------------------------------------------------- files

/// Collects every file with this extension in the folder and its subfolders.
fn collect(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            let is_ours = !name.starts_with('.') && !SKIPPED.contains(&name.as_str());
            if is_ours && !path.is_symlink() {
                collect(&path, ending, found);
            }
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
}

type Check = fn(&str, &Words) -> Vec<Problem>;

/// Returns a line for each problem in the files of these folders, and the number of files.
fn check((folders, ending): (&[&str], &str), problems_of: Check) -> (Vec<String>, usize) {
    let words = Words::read();
    let mut files = Vec::new();
    for folder in folders {
        collect(&Path::new(ROOT).join(folder), ending, &mut files);
    }
    files.sort();
    let mut lines = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(ROOT).unwrap_or(file).display().to_string();
        let problems = problems_of(&text, &words);
        lines.extend(problems.iter().map(|problem| format!("{name}:{problem}")));
    }
    (lines, files.len())
}

// ---------------------------------------------------------------- tests

#[test]
fn the_documents_use_the_standard_terms() {
    let (problems, files) = check(DOCUMENTS, problems_of_document);
    assert!(files > 10, "only {files} documents");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_doc_comments_use_the_standard_terms() {
    let (problems, files) = check(SOURCES, problems_of_source);
    assert!(files > 300, "only {files} sources");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_list_has_no_word_twice() {
    let words = Words::read();
    for list in [&words.everywhere, &words.summaries] {
        assert!(list.len() > 5, "{}", list.len());
        for (nth, word) in list.iter().enumerate() {
            let again = list[..nth].iter().any(|before| before.word == word.word);
            assert!(!again, "{}", word.word);
        }
    }
}

fn found(text: &str, problems_of: Check) -> Vec<String> {
    problems_of(text, &Words::read())
        .iter()
        .map(Problem::to_string)
        .collect()
}

#[test]
fn a_word_of_the_list_is_found_wherever_it_is_prose() {
    let found = |text: &str| found(text, problems_of_document);
    assert_eq!(
        found("One\n\nAnew."),
        [r#"3: "anew": write again, or a verb with re-"#]
    );
    assert_eq!(
        found("- twenty at the\n  most"),
        [r#"1: "at the most": write at most"#]
    );
    assert_eq!(found("| a cell | whoever asks |").len(), 1);
    for fine in [
        "`anew` is code",
        "`which is\nanew` too",
        "[a test](path/anew.rs)",
        "```\nanew\n```",
        "Run:\n\n    payout anew\n\nagain.",
        "<!-- quick: begin -->\nanew\n<!-- quick: end -->",
        "so\n\nmany",
        "bookshelves and anewly",
    ] {
        assert!(found(fine).is_empty(), "{fine}");
    }
}

#[test]
fn a_long_line_is_found_outside_tables_and_code() {
    let found = |text: &str| found(text, problems_of_document);
    let long = "word ".repeat(25);
    assert_eq!(
        found(&format!("Short.\n\n{long}")),
        ["3: 125 characters: wrap at 120"]
    );
    for fine in [
        format!("| {long} |"),
        format!("```\n{long}\n```"),
        "é".repeat(120),
    ] {
        assert!(found(&fine).is_empty(), "{fine}");
    }
}

#[test]
fn a_doc_comment_begins_with_a_noun_or_a_verb() {
    let found = |text: &str| found(text, problems_of_source);
    assert_eq!(found("/// Whether it is so.\nfn f() {}").len(), 1);
    assert_eq!(found("//! The same, again.").len(), 1);
    assert_eq!(found("    /// Waits anew.\n    fn f() {}").len(), 1);
    for fine in [
        "/// Returns whether it is so.\n///\n/// What follows is no summary.",
        "/// Whatever comes.",
        "// What a comment in the code says.",
        "let text = \"anew\";",
    ] {
        assert!(found(fine).is_empty(), "{fine}");
    }
}
