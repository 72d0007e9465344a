use proptest::prelude::*;

use super::*;

fn paths(texts: &[&str]) -> Vec<DatasitePath> {
    texts.iter().map(|text| DatasitePath::parse(text).unwrap()).collect()
}

#[test]
fn the_digest_and_the_name_are_those_of_the_vector() {
    let vector: serde_json::Value =
        serde_json::from_str(include_str!("../../fixtures/datasets/collection_hash.json")).unwrap();
    let files: BTreeMap<String, String> =
        serde_json::from_value(vector["files_utf8"].clone()).unwrap();
    let mut hasher = CollectionHasher::default();
    for (name, content) in &files {
        hasher.file(name);
        hasher.content(content.as_bytes());
    }
    let hash = hasher.finish();
    assert_eq!(hash.to_string(), vector["hash12"].as_str().unwrap());
    let dataset = DatasetName::parse("my_set").unwrap();
    let name = CollectionName { half: Half::Public, dataset, hash };
    assert_eq!(name.to_string(), vector["folder"].as_str().unwrap());
    assert_eq!(CollectionName::parse(&name.to_string()), Some(name));
}

#[test]
fn names_are_split_as_python_splits_them() {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../fixtures/datasets/collection_name_parse.json"))
            .unwrap();
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        let (tag, hash) = split(name).unwrap();
        assert_eq!(tag, vector["tag"].as_str().unwrap(), "{name}");
        assert_eq!(hash, vector["hash"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn what_the_second_generation_takes_for_a_collection_is_one_but_for_layouts() {
    let vectors: Vec<serde_json::Value> = serde_json::from_str(include_str!(
        "../../fixtures/wire/unit010/collection_name_parse.json"
    ))
    .unwrap();
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        let parsed = CollectionName::parse(name).filter(|parsed| parsed.half == Half::Public);
        let parsed = parsed.map(|parsed| {
            serde_json::json!({"tag": parsed.dataset.as_str(), "hash": parsed.hash.to_string()})
        });
        let expected = Some(vector["parsed"].clone()).filter(|parsed| parsed["tag"] != "v1");
        assert_eq!(parsed.unwrap_or_default(), expected.unwrap_or_default(), "{name}");
    }
}

#[test]
fn only_names_of_collections_parse() {
    #[rustfmt::skip]
    let cases = [
        ("public",               "syft_datasetcollection_census_b0715d5962bc",    true),
        ("private",              "syft_privatecollection_census_90eab42e17c7",    true),
        ("underscores within",   "syft_datasetcollection_a_b__c_b0715d5962bc",    true),
        ("no tag",               "syft_datasetcollection__b0715d5962bc",          false),
        ("tag and hash missing", "syft_datasetcollection_b0715d5962bc",           false),
        ("a way up",             "syft_datasetcollection_.._b0715d5962bc",        false),
        ("a path",               "syft_datasetcollection_a/b_b0715d5962bc",       false),
        ("a layout",             "syft_datasetcollection_v1_b0715d5962bc",        false),
        ("a short hash",         "syft_datasetcollection_census_b0715d",          false),
        ("capitals",             "syft_datasetcollection_census_B0715D5962BC",    false),
        ("another prefix",       "syft_datasetcollections_census_b0715d5962bc",   false),
        ("a copy",               "Copy of syft_datasetcollection_x_b0715d5962bc", false),
    ];
    for (what, text, valid) in cases {
        let name = CollectionName::parse(text);
        assert_eq!(name.is_some(), valid, "{what}");
        if let Some(name) = name {
            assert_eq!(name.to_string(), text, "{what}");
        }
    }
}

#[test]
fn b10_w25_base_names_that_collide_are_refused_by_name() {
    let collision = |first: &str, second: &str, name: &str| {
        let [first, second] = [first, second].map(|text| DatasitePath::parse(text).unwrap());
        Err(Refusal::SameBaseName { name: name.into(), first, second })
    };
    let reserved = |text: &str| Err(Refusal::Reserved(DatasitePath::parse(text).unwrap()));
    #[rustfmt::skip]
    let cases = [
        ("flat",                   vec!["a.csv", "b.csv"],          Ok(())),
        ("nested, no collision",   vec!["x/a.csv", "y/b.csv"],      Ok(())),
        ("nested, collision",      vec!["x/a.csv", "y/a.csv"],      collision("x/a.csv", "y/a.csv", "a.csv")),
        ("the description",        vec!["a", "dataset.yaml"],       reserved("dataset.yaml")),
        ("the description, below", vec!["a", "x/dataset.yaml"],     reserved("x/dataset.yaml")),
        ("permissions",            vec!["x/syft.pub.yaml"],         reserved("x/syft.pub.yaml")),
        ("not in an address",      vec!["a#1"],                     Err(Refusal::NotInUrl(DatasitePath::parse("a#1").unwrap()))),
        ("nothing",                vec![],                          Err(Refusal::NoFiles)),
    ];
    for (what, texts, expected) in cases {
        assert_eq!(check_mock(&paths(&texts)), expected, "{what}");
    }
    assert_eq!(check_private(&paths(&["x/a.csv", "y/a.csv", "dataset.yaml"])), Ok(()));
    assert_eq!(check_private(&paths(&["x/syft.pub.yaml"])), reserved("x/syft.pub.yaml"));
    assert_eq!(
        check_private(&paths(&["private_metadata.yaml"])),
        reserved("private_metadata.yaml")
    );
}

#[test]
fn permissions_never_go_into_a_public_collection() {
    let files = paths(&["b.csv", "dataset.yaml", "sub/a.csv", "syft.pub.yaml"]);
    let public = members(Half::Public, &files).unwrap();
    let names: Vec<&str> = public.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.csv", "b.csv", "dataset.yaml"]);

    let files = paths(&["a.csv", "private_metadata.yaml", "syft.pub.yaml"]);
    assert_eq!(members(Half::Private, &files).unwrap().len(), 3);
    let nested = paths(&["x/a.csv", "y/a.csv"]);
    let [first, second] = [nested[0].clone(), nested[1].clone()];
    let twice = Refusal::SameBaseName { name: "a.csv".to_owned(), first, second };
    assert_eq!(members(Half::Private, &nested), Err(twice));
}

proptest! {
    #[test]
    fn a_name_that_parses_is_written_as_it_was(tag in "[a-z_.-]{0,12}", hash in "[0-9a-f]{11,13}") {
        let text = format!("syft_datasetcollection_{tag}_{hash}");
        if let Some(name) = CollectionName::parse(&text) {
            prop_assert_eq!(name.to_string(), text);
        }
    }
}
