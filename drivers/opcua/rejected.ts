/**
 * Which server certificates wait to be trusted. Works on the folder alone, without the protocol library.
 *
 * Layout of a PKI folder: own/certs, own/private, trusted/certs, trusted/crl, issuers/certs, issuers/crl, rejected.
 */
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The PKI folder of a connection. */
export function pkiFolder(stateDir: string): string {
  return join(stateDir, 'pki');
}

/** Where a certificate has to be moved to be trusted. */
export function trustedFolder(stateDir: string): string {
  return join(pkiFolder(stateDir), 'trusted', 'certs');
}

/** A certificate that was presented by a server and refused. Times are RFC 3339. */
interface RejectedCertificate {
  readonly file: string;
  readonly subject: string;
  /** `URI:urn:…` names the application. */
  readonly subject_alt_name: string | null;
  /** SHA-1 of the certificate, hex: what OPC UA tools show as the thumbprint. */
  readonly thumbprint: string;
  readonly valid_from: string;
  readonly valid_to: string;
  readonly rejected_at_ms: number;
}

function describe(file: string): RejectedCertificate | null {
  try {
    const certificate = new X509Certificate(readFileSync(file));
    return {
      file,
      subject: certificate.subject.replaceAll('\n', ', '),
      subject_alt_name: certificate.subjectAltName ?? null,
      thumbprint: certificate.fingerprint.replaceAll(':', '').toLowerCase(),
      valid_from: certificate.validFromDate.toISOString(),
      valid_to: certificate.validToDate.toISOString(),
      rejected_at_ms: statSync(file).mtimeMs,
    };
  } catch {
    // Something else lies in the folder, or it was moved away while we looked.
    return null;
  }
}

/** The refused server certificates of a connection, newest first; empty when there are none. */
export function listRejected(stateDir: string): readonly RejectedCertificate[] {
  const folder = join(pkiFolder(stateDir), 'rejected');
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .map((name) => describe(join(folder, name)))
    .filter((found) => found !== null)
    .sort((a, b) => b.rejected_at_ms - a.rejected_at_ms);
}
