//! The data and the code of the story. All people in it are invented, those of the private half
//! too.

/// The data owner, whose name is Olga.
pub(super) const OWNER: &str = "olga@hospital.example";

/// The data scientist, whose name is Sam.
pub(super) const SCIENTIST: &str = "sam@university.example";

/// The dataset.
pub(super) const DATASET: &str = "wages";

/// The job.
pub(super) const JOB: &str = "mean-wage";

/// The half that may be shown.
pub(super) const MOCK: &str = "\
name,ward,wage
Person A,north,4000
Person B,north,4100
Person C,south,3900
Person D,south,4050
";

/// The half that may not.
pub(super) const PRIVATE: &str = "\
name,ward,wage
Adelheid Quistorp,north,5317
Benedikt Yarrow,north,6229
Clementine Oxley,north,4873
Dorothea Vasquez,north,7141
Ephraim Zoller,south,5849
Fredegund Ilic,south,4391
Gwendolyn Jurado,south,6577
Hieronymus Petry,south,5503
";

/// Returns what must never reach the scientist: each name and each wage of the private half. A wage
/// comes with the comma before it, since four digits alone turn up in many a digest.
pub(super) fn secrets() -> Vec<&'static str> {
    let rows = PRIVATE.lines().skip(1);
    rows.flat_map(|row| [row.split(',').next(), row.rfind(',').and_then(|at| row.get(at..))])
        .flatten()
        .collect()
}

/// The code that the scientist sends, where there is a Python to run it.
pub(super) const PYTHON: &str = r#"import os
from syft_client import resolve_dataset_file_path

table = resolve_dataset_file_path("wages", owner_email="olga@hospital.example")
wages = {}
for row in open(table).read().split("\n")[1:]:
    if row:
        name, ward, wage = row.split(",")
        wages.setdefault(ward, []).append(int(wage))

os.makedirs("outputs", exist_ok=True)
with open("outputs/result.csv", "w") as result:
    print("ward,people,mean wage", file=result)
    for ward, paid in sorted(wages.items()):
        print(f"{ward},{len(paid)},{sum(paid) // len(paid)}", file=result)
"#;

/// The same for a shell.
pub(super) const BASH: &str = r#"set -eu
table="$SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets/wages/wages.csv"
mkdir -p code/outputs
echo "ward,people,mean wage" > code/outputs/result.csv
for wanted in north south; do
  people=0 sum=0
  while IFS=, read -r name ward wage; do
    if [ "$ward" = "$wanted" ]; then people=$((people + 1)) sum=$((sum + wage)); fi
  done < "$table"
  echo "$wanted,$people,$((sum / people))" >> code/outputs/result.csv
done
"#;

/// What both amount to on the private half.
pub(super) const RESULT: &str = "ward,people,mean wage\nnorth,4,5890\nsouth,4,5580\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_and_the_mock_hold_no_secret() {
        assert_eq!(secrets().len(), 16);
        for secret in secrets() {
            for text in [MOCK, RESULT, PYTHON, BASH] {
                assert!(!text.contains(secret), "{secret}");
            }
        }
    }

    #[test]
    fn the_result_is_that_of_the_private_half() {
        let mut expected = "ward,people,mean wage\n".to_owned();
        for ward in ["north", "south"] {
            let rows = PRIVATE.lines().filter(|row| row.contains(ward));
            let wages: Vec<u32> =
                rows.filter_map(|row| row.rsplit(',').next()?.parse().ok()).collect();
            let mean = wages.iter().sum::<u32>() / 4;
            expected += &format!("{ward},{},{mean}\n", wages.len());
        }
        assert_eq!(RESULT, expected);
    }
}
