/** A value of the subset of TOML that `readToml` understands. */
export type TomlValue = string | number | boolean | string[];

/**
 * Reads the subset of TOML that `supabase/config.toml` is written in: tables, and keys with a
 * string, number, boolean or one-line list of strings. Returns one flat map whose keys are dotted
 * (`auth.email.otp_length`). Throws an Error that names the line it cannot read, so that nothing
 * of the file is silently ignored.
 */
export function readToml(text: string): Map<string, TomlValue> {
  const values = new Map<string, TomlValue>();
  let table = "";
  for (const [index, line] of text.split("\n").entries()) {
    const content = line.replace(/^((?:[^"#]|"[^"]*")*)#.*$/, "$1").trim();
    if (content === "") continue;
    const header = /^\[([\w.-]+)\]$/.exec(content)?.[1];
    if (header) {
      table = header;
      continue;
    }
    const pair = /^([\w-]+)\s*=\s*(.+)$/.exec(content);
    const value = pair?.[2] && readValue(pair[2]);
    if (value === undefined || !pair) {
      throw new Error(`Cannot read line ${index + 1} of supabase/config.toml: ${line.trim()}`);
    }
    values.set(table ? `${table}.${pair[1]}` : `${pair[1]}`, value);
  }
  return values;
}

/** JSON's literals are spelled as TOML's, apart from digit groups; undefined for anything else. */
function readValue(text: string): TomlValue | undefined {
  try {
    return JSON.parse(/^\d[\d_]*$/.test(text) ? text.replaceAll("_", "") : text);
  } catch {
    return undefined;
  }
}
