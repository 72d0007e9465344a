use proptest::prelude::*;

use super::*;

const WRITTEN_BY_PYTHON: &str = include_str!(
    "../../fixtures/datasets/drive/syft_datasetcollection_census_b0715d5962bc/dataset.yaml"
);
const PERMISSIONS_BY_PYTHON: &str =
    include_str!("../../fixtures/datasets/owner/public/syft_datasets/open_set/syft.pub.yaml");

#[test]
fn what_python_wrote_is_read_whole() {
    let metadata = Metadata::parse(WRITTEN_BY_PYTHON.as_bytes()).unwrap();
    assert_eq!(metadata.name, "census");
    assert_eq!(metadata.summary.as_deref(), Some("tiny"));
    assert_eq!(metadata.tags, ["t1", "t2"]);
    assert_eq!(metadata.mock_files.len(), 2);
    assert_eq!(metadata.created_at.map(Timestamp::micros), Some(1_795_178_356_238_029));
    assert!(metadata.uid.is_some() && metadata.mock_url.is_some() && metadata.readme_url.is_some());
    assert_eq!(Metadata::parse(metadata.to_yaml().as_bytes()), Ok(metadata));
}

#[test]
fn our_file_has_pythons_keys_in_pythons_order() {
    let keys = |text: &str| -> Vec<String> {
        let top = text.lines().filter(|line| !line.starts_with([' ', '-']));
        top.filter_map(|line| line.split_once(':')).map(|(key, _)| key.to_owned()).collect()
    };
    let ours = Metadata::parse(WRITTEN_BY_PYTHON.as_bytes()).unwrap().to_yaml();
    assert_eq!(keys(&ours), keys(WRITTEN_BY_PYTHON));
}

#[test]
fn permissions_say_what_pythons_say() {
    let value = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    let ours = public_permissions(&Audience::Any).unwrap();
    assert_eq!(value(&ours), value(PERMISSIONS_BY_PYTHON), "{ours}");
    assert_eq!(public_permissions(&Audience::Nobody), None);
    assert_eq!(public_permissions(&Audience::Listed(vec![])), None);
}

#[test]
fn odd_files_are_read_as_far_as_they_make_sense() {
    #[rustfmt::skip]
    let cases = [
        ("a future layout",      "protocol: 1\nkind: dataset\nname: x\n",            Ok("x")),
        ("a number as name",     "name: 2024\n",                                     Ok("2024")),
        ("a list as name",       "name: [a]\nsummary: b\n",                          Ok("")),
        ("an address elsewhere", "name: x\nmock_url: https://evil.example/\n",       Ok("x")),
        ("tags that are none",   "name: x\ntags: {a: b}\nmock_files_urls: 7\n",      Ok("x")),
        ("bad dates and ids",    "name: x\nuid: 7\ncreated_at: soon\n",              Ok("x")),
        ("a list",               "- a\n",                                            Err(InvalidMetadata::NotAMapping)),
        ("nothing",              "",                                                 Err(InvalidMetadata::NotAMapping)),
        ("no YAML",              "name: [",                                          Err(InvalidMetadata::NotYaml)),
        ("a second document",    "name: x\n---\nname: y\n",                          Err(InvalidMetadata::NotYaml)),
    ];
    for (what, text, expected) in cases {
        let got = Metadata::parse(text.as_bytes()).map(|metadata| metadata.name);
        assert_eq!(got, expected.map(str::to_owned), "{what}");
    }
}

#[test]
fn yaml_made_to_exhaust_its_reader_is_refused() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nname: x\n";
    assert_eq!(Metadata::parse(bomb.as_bytes()), Err(InvalidMetadata::NotYaml));
    let deep = format!("name: {}{}", "[".repeat(500), "]".repeat(500));
    assert_eq!(Metadata::parse(deep.as_bytes()), Err(InvalidMetadata::NotYaml));
    let large = vec![b'#'; 5 * 1024 * 1024];
    assert_eq!(Metadata::parse(&large), Err(InvalidMetadata::TooLarge));
}

#[test]
fn moments_are_written_as_pydantic_writes_them() {
    for text in
        ["2026-11-20T12:39:16.238029Z", "2026-11-20T12:39:16.100000Z", "2026-11-20T12:39:16Z"]
    {
        assert_eq!(moment(text).and_then(written).as_deref(), Some(text));
    }
    assert_eq!(moment("2026-11-20T13:39:16+01:00"), moment("2026-11-20T12:39:16Z"));
    assert_eq!(moment("2026-11-20T12:39:16.5"), moment("2026-11-20T12:39:16.500000Z"));
    assert_eq!(moment("1903-01-01T00:00:00Z"), None);
}

proptest! {
    #[test]
    fn what_we_write_is_what_we_read(
        summary in proptest::option::of("[ -~é中\n\t]{0,60}"),
        tags in proptest::collection::vec("[ -~é]{0,12}", 0..4),
        micros in 0_i64..4_000_000_000_000_000,
    ) {
        let metadata = Metadata {
            uid: Some(Uuid::from_u128(7)),
            created_at: Some(Timestamp::from_micros(micros)),
            updated_at: Some(Timestamp::from_micros(micros)),
            name: "census".into(),
            summary,
            tags,
            ..Metadata::default()
        };
        prop_assert_eq!(Metadata::parse(metadata.to_yaml().as_bytes()), Ok(metadata));
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Metadata::parse(&bytes);
        let _ = PrivateMetadata::parse(&bytes);
    }
}
