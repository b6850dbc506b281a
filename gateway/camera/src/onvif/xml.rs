//! XML from cameras: bounded, without document types, found by local name. Prefixes and even
//! namespaces differ from make to make; the names do not.

use roxmltree::{Document, Node, ParsingOptions};

use super::OnvifError;

/// The answer with the most nodes is that of `GetProfiles`: a recorder's 32 channels have some 10,000.
const MOST_NODES: u32 = 50_000;

/// No name, token or address that is kept is longer.
pub(super) const LONGEST: usize = 512;

/// Reads a document.
pub(super) fn read<R>(
    body: &[u8],
    with: impl FnOnce(Node<'_, '_>) -> Result<R, OnvifError>,
) -> Result<R, OnvifError> {
    let text = String::from_utf8_lossy(body);
    // Some put blanks before the declaration, which XML forbids, or a C string's end behind it all.
    let text = text.trim_start_matches(['\u{feff}', ' ', '\r', '\n', '\t']).trim_end_matches('\0');
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    // The parser's own words would repeat what the camera sent.
    let not = |_| OnvifError::Protocol { detail: "the answer is no XML".to_owned() };
    let document = Document::parse_with_options(text, options).map_err(not)?;
    with(document.root_element())
}

/// The children with a name.
pub(super) fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| is(*child, name))
}

/// The first element with a name, at any depth.
pub(super) fn find<'a, 'i: 'a>(node: Node<'a, 'i>, name: &'static str) -> Option<Node<'a, 'i>> {
    node.descendants().find(|child| is(*child, name))
}

/// A path of children.
pub(super) fn at<'a, 'i: 'a>(node: Node<'a, 'i>, path: &[&'static str]) -> Option<Node<'a, 'i>> {
    path.iter().try_fold(node, |node, name| children(node, name).next())
}

pub(super) fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// The text of an element, if it has a usable one.
pub(super) fn text(node: Node<'_, '_>) -> Option<String> {
    bounded(node.text()?)
}

pub(super) fn text_at(node: Node<'_, '_>, path: &[&'static str]) -> Option<String> {
    text(at(node, path)?)
}

pub(super) fn attribute(node: Node<'_, '_>, name: &str) -> Option<String> {
    bounded(node.attribute(name)?)
}

fn bounded(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= LONGEST).then(|| text.to_owned())
}

/// As text within an element or an attribute. What XML cannot hold at all is left out.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parses(text: &str) -> bool {
        read(text.as_bytes(), |_| Ok(())).is_ok()
    }

    #[test]
    fn no_entity_of_a_camera_expands() {
        assert!(!parses("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"));
        assert!(!parses("<a>&b;</a>"));
        assert!(parses("\u{feff}\n<?xml version=\"1.0\"?><a>&amp;</a>\0"));
    }

    #[test]
    fn neither_depth_nor_number_of_nodes_is_the_cameras_to_choose() {
        let deep = 40_000;
        assert!(parses(&("<a>".repeat(deep) + &"</a>".repeat(deep))));
        assert!(!parses(&format!("<a>{}</a>", "<b/>".repeat(60_000))));
    }

    #[test]
    fn what_is_escaped_comes_back_as_it_was() {
        let text = "<a & \"b\" 'c'>";
        let read = read(format!("<x y=\"{0}\">{0}</x>", escape(text)).as_bytes(), |root| {
            Ok((super::text(root), attribute(root, "y")))
        });
        assert_eq!(read.unwrap(), (Some(text.to_owned()), Some(text.to_owned())));
    }
}
