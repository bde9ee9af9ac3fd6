import PhotosUI
import SwiftUI

@main
struct ClassifyApp: App {
    var body: some Scene {
        WindowGroup { ContentView() }
    }
}

/// A button that chooses a photo, and its classes.
struct ContentView: View {
    @State private var choice: PhotosPickerItem?
    @State private var classes = ""

    var body: some View {
        VStack(spacing: 16) {
            PhotosPicker("Choose a photo", selection: $choice, matching: .images)
            Text(classes)
        }
        .onChange(of: choice) { item in
            Task { classes = await describe(item) }
        }
    }

    private func describe(_ item: PhotosPickerItem?) async -> String {
        do {
            guard let data = try await item?.loadTransferable(type: Data.self), let photo = UIImage(data: data) else {
                return "This photo cannot be read."
            }
            let found = try PhotoClassifier(side: 224, file: "model_float32").classify(photo)
            return found.map { String(format: "%@  %.1f %%", $0.categoryName ?? "?", 100 * $0.score) }.joined(separator: "\n")
        } catch {
            return error.localizedDescription
        }
    }
}
