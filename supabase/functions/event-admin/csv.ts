/** What a cell of a table can hold. */
export type Cell = string | number | null;

/**
 * One line of CSV (RFC 4180). Text that a spreadsheet would run as a formula gets an apostrophe in
 * front: names and notes come from people.
 */
export function csvLine(cells: Cell[]): string {
  return cells.map(writeCell).join(",") + "\r\n";
}

function writeCell(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
